"""Where the most probable class is wrong about the positive: every miss, and the surest false alarms, by id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmevision.evaluation.drafts import Target
from nmevision.evaluation.truth import Cases

FALSE_ALARMS = 20
"""False positives that a report lists, the most probable first."""


@dataclass(frozen=True)
class Failures:
    """The two-by-two table of patients, and the wrong ones.

    false_negatives: every one, least probable first; false_positives: at most FALSE_ALARMS, most probable first.
    Each row: patient, source, diagnosis, predicted, probability of the positive, n_images.
    """

    true_positives: int
    missed: int
    false_alarms: int
    true_negatives: int
    false_negatives: list[dict[str, Any]]
    false_positives: list[dict[str, Any]]


def failures(cases: Cases, positive: Target) -> Failures:
    """Return what calling the most probable class gets wrong about `positive`, patient by patient."""
    truth, called, p = positive.truth(cases), positive.called(cases), positive.probability(cases)
    missed, alarms = truth & ~called, ~truth & called
    return Failures(
        true_positives=int((truth & called).sum()),
        missed=int(missed.sum()),
        false_alarms=int(alarms.sum()),
        true_negatives=int((~truth & ~called).sum()),
        false_negatives=patients(cases, positive, _ordered(cases, missed, p)),
        false_positives=patients(cases, positive, _ordered(cases, alarms, -p)[:FALSE_ALARMS]),
    )


def patients(cases: Cases, positive: Target, rows: list[int]) -> list[dict[str, Any]]:
    """Return some patients as rows: who, from where, what it is, what was said, how sure."""
    p = positive.probability(cases)
    return [
        {
            "patient": str(cases.names[i]),
            "source": str(cases.sources[i]),
            "diagnosis": cases.classes[cases.labels[i]],
            "predicted": cases.classes[cases.predicted[i]],
            "probability": float(p[i]),
            "n_images": int(cases.n_images[i]),
        }
        for i in rows
    ]


def _ordered(cases: Cases, mask: NDArray[np.bool_], key: NDArray[np.float64]) -> list[int]:
    """Return the indices where `mask` is true, by `key`, then by name."""
    return sorted(np.flatnonzero(mask).tolist(), key=lambda i: (key[i], str(cases.names[i])))
