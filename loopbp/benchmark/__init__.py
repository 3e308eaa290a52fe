"""Benchmarks: what is timed, against whom, how, and what is kept of it. `bench.py` runs them."""
