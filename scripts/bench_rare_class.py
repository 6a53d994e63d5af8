"""How long the rare-class protocol takes: 1,000 episodes on 5,000 x 1,280 features, within a minute on two cores.

    python scripts/bench_rare_class.py [--patients 5000] [--width 1280] [--episodes 1000] [--classes 20]

Five classes are hidden in turn for a fifth of the episodes each; every episode is scored at k = 1, 2, 5 and 10 by all
methods, against seen and unseen negatives. The features are noise around random means: only the time is of interest.
"""

from __future__ import annotations

import argparse
import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")

import time

import numpy as np

from nmevision.evaluation.rare_class import run
from nmevision.evaluation.rare_class_design import Embedded, RareClassConfig

HIDDEN = 5


def main() -> None:
    """Draw the features, run, print seconds of the clock and of the processor."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("patients", 5000),
        ("width", 1280),
        ("episodes", 1000),
        ("classes", 20),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    label = rng.integers(0, given.classes, given.patients)
    features = (
        rng.normal(size=(given.patients, given.width))
        + 0.15 * rng.normal(size=(given.classes, given.width))[label]
    )
    names = tuple(f"class{k}" for k in range(given.classes))
    data = Embedded(features, np.arange(given.patients), label, np.full(given.patients, "", object), names)
    config = RareClassConfig(surrogates=names[:HIDDEN], episodes=given.episodes // HIDDEN)
    start, processor = time.perf_counter(), time.process_time()
    outcomes = list(run(data, config))
    clock, used = time.perf_counter() - start, time.process_time() - processor
    print(
        f"{given.episodes} episodes at k = {', '.join(map(str, config.shots))}, {given.patients} x {given.width} features, "
        f"two threads: {clock:.1f} s ({used:.1f} s of the processor), {len(outcomes)} results"
    )


if __name__ == "__main__":
    main()
