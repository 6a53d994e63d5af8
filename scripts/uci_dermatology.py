"""Findings and cited profiles on 366 real patients: baselines, hidden diseases, learning curve and sweeps.

    python scripts/uci_dermatology.py FOLDER [--out DIR]

FOLDER holds dermatology.data of the UCI repository (doi:10.24432/C5FK5P); DIR gets report.md, results.json and
variants.csv. About a minute on one core. No patient has NME: it checks the step from findings to diagnoses.
"""

from __future__ import annotations

import argparse
import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import sys
from pathlib import Path

from nmevision.errors import NmevisionError
from nmevision.journeys.uci.experiment import run


def main() -> None:
    """Run the experiment and say where its page lies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("uci-dermatology"))
    given = parser.parse_args()
    try:
        results = run(given.folder, given.out)
    except NmevisionError as problem:
        sys.exit(str(problem))
    for name, found in results["double_hidden"].items():
        print(
            f"{name}: mean double-hidden AUROC {found['mean']:.3f}, beats permuted texts in {found['beaten']} of 6"
        )
    print(f"variant chosen without the disease it is read on: {results['left_out_mean']:.3f}")
    print(
        f"the same without evidence tags: {results['left_out_blind_mean']:.3f}; {results['variants']['n']} tried"
    )
    print(given.out / "report.md")


if __name__ == "__main__":
    main()
