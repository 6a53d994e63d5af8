"""What more images cost: time for each and peak memory of whole processes, from a hundred images to a hundred thousand.

python scripts/bench_growth.py [--rows 100 1000 10000 100000] [--verbs check predict evaluate]

A manifest of small JPEG images (96 x 96 pixels, 16 different pictures, hard links) is checked, predicted on with a small
network of random weights, and its answers are evaluated. Time for each row, less what a process needs to start, should
stay as it is and peak memory flat; what grows is said.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from bench_predict import PICTURES, machine, write_images, write_models

SIDE = 96
NETWORK = "test_resnet"
DIAGNOSES = 10
MIB = 2**20
WATCH = """
import resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""A small process that starts the command: a child's peak begins at the size of whoever starts it."""


def main() -> None:
    """Run every verb on every number of rows and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 1000, 10_000, 100_000])
    verbs = ["check", "predict", "evaluate"]
    parser.add_argument("--verbs", nargs="+", choices=verbs, default=verbs)
    options = parser.parse_args()
    print(machine(("openvino", "pandas", "pillow", "numpy")))
    print(f"{'verb':10}{'rows':>8}{'wall s':>9}{'ms a row':>10}{'peak MiB':>10}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "pictures", PICTURES, SIDE)
        bundle = write_models(folder / NETWORK, NETWORK).folder
        for n in options.rows:
            manifest = write_manifest(folder / str(n), folder / "pictures", n)
            out = manifest.parent / "out"
            commands = {
                "check": ["data", "check", str(manifest)],
                "predict": ["predict", str(bundle), str(manifest), "--out", str(out)],
                "evaluate": ["evaluate", str(out / "predictions.csv"), str(manifest), "--out", str(out)],
            }
            for verb in options.verbs:
                wall, peak = measured([sys.executable, "-m", "nmevision.cli", *commands[verb]])
                print(f"{verb:10}{n:8}{wall:9.1f}{1000 * wall / n:10.2f}{peak:10.0f}", flush=True)
            shutil.rmtree(manifest.parent)


def write_manifest(folder: Path, pictures: Path, n: int) -> Path:
    """Write n rows, each with a file of its own: a hard link to one of the pictures."""
    folder.mkdir()
    sources = sorted(pictures.iterdir())
    rows = []
    for i in range(n):
        os.link(sources[i % len(sources)], folder / f"{i:06}.jpg")
        rows.append({"id": f"{i:06}", "path": f"{i:06}.jpg", "modality": "clinical", "split": "test"})
        rows[-1] |= {"diagnosis": f"d{i // 2 % DIAGNOSES}", "patient_id": f"p{i // 2:06}", "source": "bench"}
        rows[-1] |= {"licence": "CC0-1.0"}
    path = folder / "manifest.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command to its end; return its wall time in seconds and its peak memory in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    wall, peak = done.stdout.split()
    return float(wall), float(peak) * 1024 / MIB


if __name__ == "__main__":
    main()
