"""What one can ask: pure functions, tables in, tables out."""
