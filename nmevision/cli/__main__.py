"""`python -m nmevision.cli`, which torchrun needs."""

from nmevision.cli.app import main

if __name__ == "__main__":
    main()
