"""nmevision: necrolytic migratory erythema versus its mimics, on clinical photos and H&E histology."""

__version__ = "0.1.0"
