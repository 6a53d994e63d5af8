"""How many patients a study of a rare disease needs: by exact binomial probabilities, and for an AUROC."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom, norm

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import LEVEL
from nmevision.evaluation.metrics import Value, undefined
from nmevision.evaluation.weighted import Floats

MOST_CASES = 20_000
"""Numbers of patients searched; whoever needs more should not plan with this."""
POWER = 0.8
NEVER = 1e-13
"""Tail probability of results that play no part."""


def _limits(found: NDArray[np.int64], n: int, level: float) -> tuple[Floats, Floats]:
    """Return the Clopper-Pearson limits of every number of successes `found` among n."""
    tail = (1 - level) / 2
    low = np.where(found == 0, 0.0, beta.ppf(tail, np.maximum(found, 1), n - found + 1))
    high = np.where(found == n, 1.0, beta.isf(tail, found + 1, np.maximum(n - found, 1)))
    return low, high


def expected_width(share: float, n: int, level: float = LEVEL) -> float:
    """Return the mean width of the Clopper-Pearson interval of n patients whose true share is `share`.

    >>> round(expected_width(1.0, 5), 3)  # all five found: 0.478 to 1
    0.522
    """
    if not 0 <= share <= 1 or n < 1:
        raise EvaluationError(f"share {share}, {n} patients; expected 0 to 1, and 1 patient or more")
    least, most = (int(end(NEVER, n, share)) for end in (binom.ppf, binom.isf))
    found = np.arange(max(least, 0), most + 1)
    low, high = _limits(found, n, level)
    return float(binom.pmf(found, n, share) @ (high - low))


def cases_for_width(share: float, width: float, level: float = LEVEL) -> Value:
    """Return the fewest patients whose interval of a sensitivity (or specificity) is expected this narrow.

    share: the sensitivity that is hoped for (0 to 1); width: high limit - low limit wanted (0 to 1, open).
    """
    if not 0 < width < 1:
        raise EvaluationError(f"width {width}; expected a number between 0 and 1")
    if expected_width(share, MOST_CASES, level) > width:
        return undefined(f"more than {MOST_CASES} patients")
    few, enough = 0, MOST_CASES  # the expected width falls with every patient
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if expected_width(share, middle, level) <= width else (middle, enough)
    return Value(float(enough))


def power_to_show(share: float, at_least: float, n: int, level: float = LEVEL) -> float:
    """Return the probability that the lower Clopper-Pearson limit of n patients exceeds `at_least`.

    share: the true sensitivity; the limit is that of the two-sided interval.
    """
    if not 0 <= share <= 1 or not 0 <= at_least < 1 or n < 1:
        raise EvaluationError(
            f"share {share}, at least {at_least}, {n} patients; expected shares and 1 or more"
        )
    # the fewest successes whose lower limit exceeds: P(X >= k | at_least) < tail
    fewest = int(binom.isf((1 - level) / 2, n, at_least)) + 1
    return float(binom.sf(fewest - 1, n, share)) if fewest <= n else 0.0


def cases_to_show(share: float, at_least: float, power: float = POWER, level: float = LEVEL) -> Value:
    """Return the fewest patients from which on `power_to_show` stays at least `power`, up to MOST_CASES.

    Exact power saws up and down with n; the number returned and every greater one suffice.
    """
    if not at_least < share:
        raise EvaluationError(f"share {share} must exceed what is to be shown, {at_least}")
    n = np.arange(1, MOST_CASES + 1)
    fewest = binom.isf((1 - level) / 2, n, at_least).astype(np.int64) + 1
    lacking = np.flatnonzero(np.where(fewest <= n, binom.sf(fewest - 1, n, share), 0.0) < power)
    if len(lacking) == 0:
        return Value(1.0)
    return (
        Value(float(lacking[-1] + 2))
        if lacking[-1] + 1 < MOST_CASES
        else undefined(f"more than {MOST_CASES}")
    )


def power_of_auroc(area: float, n_positive: int, n_negative: int, level: float = LEVEL) -> float:
    """Return the probability that an AUROC of `area` is told from 0.5, two-sided.

    Obuchowski, Lieber & Wians 2004 (doi:10.1373/clinchem.2004.031823), binormal scores.

    >>> round(power_of_auroc(0.73, 41, 72), 7)
    0.9897453
    """
    if not 0.5 < area < 1 or min(n_positive, n_negative) < 1:
        raise EvaluationError(
            f"AUROC {area}, {n_positive} and {n_negative} patients; expected 0.5 to 1, and patients"
        )
    ratio = n_negative / n_positive
    reach = math.sqrt(n_positive) * (area - 0.5) - norm.isf((1 - level) / 2) * math.sqrt(
        _chance_variance(ratio)
    )
    return float(norm.cdf(reach / math.sqrt(_variance(area, ratio))))


def cases_for_auroc(area: float, power: float = POWER, ratio: float = 1.0, level: float = LEVEL) -> float:
    """Return the positive patients (not rounded) that tell an AUROC of `area` from 0.5 with this power.

    ratio: negative patients for each positive one. Source as for `power_of_auroc`.
    """
    if not 0.5 < area < 1 or not 0 < power < 1 or ratio <= 0:
        raise EvaluationError(
            f"AUROC {area}, power {power}, ratio {ratio}; expected 0.5 to 1, 0 to 1, above 0"
        )
    reach = norm.isf((1 - level) / 2) * math.sqrt(_chance_variance(ratio))
    reach += norm.ppf(power) * math.sqrt(_variance(area, ratio))
    return float(reach**2 / (area - 0.5) ** 2)


def _chance_variance(ratio: float) -> float:
    """Return n_positive times the variance of the AUROC at 0.5 (0.0792: as printed in the source)."""
    return 0.0792 * (1 + 1 / ratio)


def _variance(area: float, ratio: float) -> float:
    """Return n_positive times the variance of a binormal AUROC (constants as printed in the source)."""
    a = norm.ppf(area) * 1.414
    return float(0.0099 * math.exp(-(a**2) / 2) * ((5 * a**2 + 8) + (a**2 + 8) / ratio))


def cases_without_failure(at_least: float, level: float = LEVEL) -> int:
    """Return how many patients without a single failure put the one-sided lower limit at `at_least`.

    >>> cases_without_failure(0.95), cases_without_failure(0.999)
    (59, 2995)
    """
    if not 0 < at_least < 1:
        raise EvaluationError(f"at least {at_least}; expected a share between 0 and 1")
    return math.ceil(math.log(1 - level) / math.log(at_least) - 1e-9)
