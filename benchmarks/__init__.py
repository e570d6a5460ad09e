"""How fast and how small: each work beside hand-written code and beside sleap-io."""
