"""The limits of prediction sets, from what the finished model says of the validation images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmevision.evaluation.conformal import patients_needed
from nmevision.networks.sets import PredictionSets, SetLimit
from nmevision.predictions import DECIMALS, group_members
from nmevision.taxonomy import Taxonomy

LEVEL = 0.9
"""Of the sets that a bundle tells. A higher one needs more patients of every class: 19 for 0.95, 9 for 0.9."""
_TIE = 1e-9


def limit_of(scores: NDArray[np.floating], patients: NDArray[np.object_], alpha: float) -> float | None:
    """Return the probability from which a class stays in the set of an image; None for too few patients.

    The set misses at most the share `alpha` of the class's new images, each of a new patient: patients are
    exchangeable, images of one patient are not, so each patient counts once, in equal parts by images (Lee, Barber &
    Willett 2023, arXiv:2306.06342). With one image each it is the usual limit (`evaluation.conformal.calibrate`).

    scores: N, the probability of the class in images of it. patients: N, whose they are.

    >>> limit_of(np.array([0.5, 0.2, 0.3, 0.4]), np.array(list("abcd"), dtype=object), 0.2)
    0.2
    >>> limit_of(np.array([0.5, 0.2, 0.3, 0.4]), np.array(list("abcc"), dtype=object), 0.2)
    """
    _, mine, images = np.unique(patients.astype(str), return_inverse=True, return_counts=True)
    if len(images) < patients_needed(alpha):
        return None
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(1 / images[mine][order])  # patients that were given no more
    enough = below > (len(images) + 1) * alpha - 1 + _TIE
    return float(scores[order][int(np.argmax(enough))])


def fit_sets(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.int64],
    patients: NDArray[np.object_],
    taxonomy: Taxonomy,
    level: float = LEVEL,
) -> PredictionSets:
    """Return the limits of every diagnosis, and of every group where these are not the same.

    probabilities: N x D as predictions are given; labels: N positions, -1 where unknown; patients: N.
    """
    alpha = 1 - level
    known = labels >= 0
    p = np.round(probabilities[known], DECIMALS)  # as predictions.csv has them, so that equals tie
    truth, whose = labels[known], patients[known]

    def limits(
        keys: tuple[str, ...], values: NDArray[np.floating], own: NDArray[np.int64]
    ) -> tuple[SetLimit, ...]:
        found = []
        for k, key in enumerate(keys):
            mine = own == k
            least = limit_of(np.minimum(values[mine, k], 1), whose[mine], alpha)
            found.append(SetLimit(key=key, patients=len(set(whose[mine])), least=least))
        return tuple(found)

    groups, member = group_members(taxonomy.keys, taxonomy.group_of)
    position = member.argmax(axis=1)
    return PredictionSets(
        level=level,
        needed=patients_needed(alpha),
        diagnoses=limits(taxonomy.keys, p, truth),
        groups=limits(groups, p @ member, position[truth]) if 1 < len(groups) < len(taxonomy.keys) else (),
    )
