"""`python scripts/benchmark.py ...` is `nmevision benchmark`."""

from nmevision.cli import main

main("benchmark")
