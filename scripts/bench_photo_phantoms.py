"""How many synthetic photos one core draws per second, by diagnosis.

    python scripts/bench_photo_phantoms.py [--size 384] [--photos 10]

Counts the processor's time of this process, so that other work on the machine matters less; on a busy
machine it still reads too slow. Writing files is not counted.
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

from nmevision.cli.memory import restart_keeping_memory
from nmevision.phantom.clinical import draw_photo
from nmevision.phantom.photo_grades import DIAGNOSES


def main() -> None:
    """Time every diagnosis and print photos per second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=384, help="side in pixels")
    parser.add_argument("--photos", type=int, default=10, help="photos per diagnosis")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    draw_photo("nme", np.random.default_rng(0), options.size)  # the tables of light are made once
    seconds = {}
    for diagnosis in DIAGNOSES:
        started = time.process_time()
        for index in range(options.photos):
            draw_photo(diagnosis, np.random.default_rng([1, index]), options.size, 1 + index % 4)
        seconds[diagnosis] = (time.process_time() - started) / options.photos
        print(
            f"{diagnosis:24s}{1 / seconds[diagnosis]:6.1f} photos of {options.size} pixels per second and core"
        )
    print(f"{'all':24s}{len(seconds) / sum(seconds.values()):6.1f}")


if __name__ == "__main__":
    restart_keeping_memory()  # as `nmevision data phantom` does
    main()
