"""`python scripts/predict.py ...` is `nmevision predict`."""

from nmevision.cli import main

main("predict")
