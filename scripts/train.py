"""`python scripts/train.py CONFIG [key=value ...]` is `nmevision train`."""

from nmevision.cli import main

main("train")
