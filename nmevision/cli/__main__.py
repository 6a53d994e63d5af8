"""`python -m nmevision.cli`, which torchrun needs."""

from nmevision.cli.process import main

if __name__ == "__main__":
    main()
