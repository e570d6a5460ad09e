"""How the data is kept: `.slp` files and Parquet projects."""
