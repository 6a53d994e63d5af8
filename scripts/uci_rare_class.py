"""The rare-class protocol on the UCI Dermatology grades: what k patients, findings and profiles are worth.

    python scripts/uci_rare_class.py FOLDER OUT [--config CONFIG]

FOLDER holds dermatology.data. 366 real patients of six diseases, each hidden in turn; none has NME.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nmevision.journeys.rare_class import rare_class_uci


def main() -> None:
    """Run it and print the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args()
    print(rare_class_uci(given.folder, given.out, given.config).text)


if __name__ == "__main__":
    main()
