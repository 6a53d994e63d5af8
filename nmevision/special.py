"""Four functions of scipy.special in numpy alone: loading SciPy would take a third of the time of a short prediction."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_erfc = np.frompyfunc(math.erfc, 1, 1)


def expit(x: ArrayLike) -> Floats:
    """Return 1 / (1 + exp(-x)), without overflow.

    >>> expit([-1000.0, 0.0, 1000.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.asarray(np.exp(-np.logaddexp(0, -np.asarray(x, dtype=np.float64))))


def softmax(x: ArrayLike, axis: int = -1) -> Floats:
    """Return exp(x) over its sum along an axis.

    >>> softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    logits = np.asarray(x, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def logsumexp(x: ArrayLike, axis: int = -1, keepdims: bool = False) -> Floats:
    """Return log(sum(exp(x))) along an axis; minus infinity where every x is.

    >>> float(logsumexp([-np.inf, 0.0]))
    0.0
    """
    logs = np.asarray(x, dtype=np.float64)
    top = logs.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        found = np.log(np.exp(logs - top).sum(axis=axis, keepdims=True)) + top
    return np.asarray(found if keepdims else np.squeeze(found, axis=axis))


def ndtr(x: ArrayLike) -> Floats:
    """Return the standard normal distribution function.

    >>> float(ndtr(0.0))
    0.5
    """
    return np.asarray(0.5 * np.asarray(_erfc(-np.asarray(x, np.float64) / math.sqrt(2)), dtype=np.float64))
