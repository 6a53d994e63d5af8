"""`python scripts/evaluate.py ...` is `nmevision evaluate`."""

from nmevision.cli import main

main("evaluate")
