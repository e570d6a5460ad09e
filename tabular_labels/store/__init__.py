"""How the data is held: snapshots over memory, files and projects."""
