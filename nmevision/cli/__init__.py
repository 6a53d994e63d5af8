"""The command line; `main` is its entry. Nothing else of the house imports it."""

from nmevision.cli.process import main

__all__ = ["main"]
