"""Intervals of scores of images that have no class of patients: whole patients are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nmevision.evaluation.clustered import of_images
from nmevision.evaluation.intervals import Interval, percentile, resample
from nmevision.evaluation.weighted import Statistic


def patient_bootstrap(
    statistics: Mapping[str, Statistic], patients: NDArray[np.intp], resamples: int, seed: int
) -> dict[str, Interval]:
    """Return the percentile interval of each statistic of images, all images of a drawn patient kept.

    patients: index of each image's patient (n,), see clustered.patient_index; not empty.
    """
    n = int(patients.max()) + 1
    waiting = {name: of_images(statistic, patients) for name, statistic in statistics.items()}
    found = {}
    for name, replicates in resample(np.zeros(n), waiting, resamples, seed).items():
        interval = percentile(replicates, n)
        found[name] = replace(interval, method=interval.method.replace(" within class", ""))
    return found
