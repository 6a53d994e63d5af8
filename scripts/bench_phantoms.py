"""How fast phantoms are drawn: fields per second on one core, and what the time goes to.

python scripts/bench_phantoms.py [--n 12] [--size 512] [--mpp 1]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from nmevision.cli.memory import restart_keeping_memory
from nmevision.phantom.histology import draw_field
from nmevision.phantom.profiles import DIAGNOSES
from nmevision.phantom.section_truth import write_truth


def main() -> None:
    """Draw some fields and print the processor time that each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=12)
    parser.add_argument("--size", type=int, default=512, help="pixels")
    parser.add_argument("--mpp", type=float, default=1.0, help="micrometres per pixel")
    parser.add_argument("--profile", action="store_true", help="also print what the time goes to")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    profiler = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder:
        draw_field("normal", np.random.default_rng(0), 64)  # the first one loads the knowledge
        if options.profile:
            profiler.enable()
        drawing, writing = _draw(options.n, options.size, options.mpp, Path(folder))
        profiler.disable()
    total = drawing + writing
    print(
        f"{options.n} H&E fields of {options.size} x {options.size} at {options.mpp} um/px, processor time: "
        f"{1000 * drawing / options.n:.0f} ms to draw and measure, {1000 * writing / options.n:.0f} ms to write "
        f"the truth; {options.n / total:.1f} fields per second and core"
    )
    if options.profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(22)


def _draw(count: int, size: int, mpp: float, folder: Path) -> tuple[float, float]:
    """Return the seconds of processor time that drawing and writing took."""
    drawing = writing = 0.0
    for index in range(count):
        started = time.process_time()
        diagnosis = DIAGNOSES[index % len(DIAGNOSES)]
        field = draw_field(diagnosis, np.random.default_rng([0, index]), size, 1 + index % 4, mpp=mpp)
        drawn = time.process_time()
        write_truth(field.truth, folder, str(index))
        drawing += drawn - started
        writing += time.process_time() - drawn
    return drawing, writing


if __name__ == "__main__":
    restart_keeping_memory()  # as `nmevision data phantom` does
    main()
