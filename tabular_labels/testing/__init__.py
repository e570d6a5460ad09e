"""Seeded builders and Hypothesis strategies, for tests and benchmarks."""
