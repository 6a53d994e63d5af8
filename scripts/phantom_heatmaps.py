"""How well heat maps of findings point at them on phantom fields, beside the same network with shuffled weights.

    python scripts/phantom_heatmaps.py BUNDLE MANIFEST.csv [--split test] [--every 1] [--out FILE.md]

MANIFEST is what `nmevision data phantom --modality histology` wrote. Synthetic images: a check of the software that
says nothing about disease.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from nmevision.files import write_text
from nmevision.journeys.localise import localise, table_of
from nmevision.manifest import read_manifest
from nmevision.networks.bundle import open_bundle


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th image only")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    manifest = read_manifest(given.manifest)
    manifest = manifest.select(manifest.frame["split"] == given.split)
    manifest = manifest.select(np.arange(len(manifest)) % given.every == 0)
    found = localise(open_bundle(given.bundle), manifest)
    text = "PHANTOMS: synthetic images; nothing about disease.\n\n" + table_of(found)
    print(text)
    if given.out is not None:
        write_text(given.out, text + "\n")


if __name__ == "__main__":
    main()
