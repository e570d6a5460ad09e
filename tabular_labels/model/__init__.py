"""What the data is: schemas, tables, invariants and the small classic objects."""
