"""Measurements: `python -m benchmarks.<what>` prints a table and writes benchmarks/results/<what>.json."""
