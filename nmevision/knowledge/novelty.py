"""Does any profile fit? The tail probability of the best profile's surprise.

The surprise of a case under a component is minus its log likelihood, a sum over findings. Rounded to a fine
lattice its distribution under the component itself is exact by convolution: no simulation, no seed. The answer is
the probability that a true case of the best-fitting component, with the same findings assessed, surprises as much
or more. Small: `not like any profile`. The best of many components was picked, so true cases fall below 0.05 in
5 % or less of the time.
"""

from __future__ import annotations

import numpy as np

from nmevision.knowledge.model import ProfileModel
from nmevision.knowledge.observations import Bools, Floats, is_missing

LATTICE = 0.05
"""Width in nats of a step of surprise. A case of 28 findings spreads over about 4 nats."""
NOVEL_BELOW = 0.05
"""Tail probability below which an answer says that no profile fits. Our choice: 1 false alarm in 20 at most."""


def tail_probabilities(model: ProfileModel, evidence: Floats) -> Floats:
    """Return N tail probabilities, 0 to 1, under each case's best named component; 1 where nothing is graded.

    An uncertain grade gets the benefit of the doubt: its surprise is averaged over the grades that the component
    thinks likely given what was seen. For such grades the answer errs toward `fits`.

    Args:
        model: any profile model.
        evidence: N x J x 4 from `observations`.
    """
    named = len(model.components)
    best = model.component_log_likelihoods(evidence)[:, :named].argmax(axis=1)
    steps = np.rint(-np.log(model.table[:named]) / LATTICE).astype(np.int64)
    weighed = evidence * model.table[best]
    surprise = (weighed / weighed.sum(axis=-1, keepdims=True) * steps[best]).sum(axis=-1)
    seen = ~is_missing(evidence)
    totals = np.where(seen, surprise, 0.0).sum(axis=1)
    tails: dict[tuple[int, bytes], Floats] = {}
    result = np.ones(len(evidence))
    for i, component in enumerate(best):
        key = (int(component), seen[i].tobytes())
        if key not in tails:
            tails[key] = _tail(model.table[component], steps[component], seen[i])
        tail = tails[key]
        result[i] = tail[min(int(np.ceil(totals[i] - 1e-9)), len(tail) - 1)]
    return result


def _tail(table: Floats, steps: np.ndarray, seen: Bools) -> Floats:
    """Return P(surprise >= t steps) for t = 0, 1, ... under one component.

    Args:
        table: J x 4 grade probabilities.
        steps: J x 4 surprises in lattice steps.
        seen: J, which findings are assessed.
    """
    mass = np.ones(1)
    for p, s in zip(table[seen], steps[seen], strict=True):
        longer = np.zeros(len(mass) + int(s.max()))
        for probability, shift in zip(p, s, strict=True):
            longer[shift : shift + len(mass)] += probability * mass
        mass = longer
    return np.minimum(np.cumsum(mass[::-1])[::-1], 1.0)
