from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import clopper_pearson, no_failure_bound
from nmevision.evaluation.planning import (
    cases_for_auroc,
    cases_for_width,
    cases_to_show,
    cases_without_failure,
    expected_width,
    power_of_auroc,
    power_to_show,
)


@pytest.mark.parametrize(("share", "n"), [(0.9, 5), (0.5, 40), (1.0, 12)])
def test_the_expected_width_is_the_mean_over_all_results(share: float, n: int) -> None:
    limits = [clopper_pearson(k, n) for k in range(n + 1)]
    widths = np.array([one.high - one.low for one in limits])
    assert expected_width(share, n) == pytest.approx(binom.pmf(np.arange(n + 1), n, share) @ widths, abs=1e-9)


@pytest.mark.parametrize(("share", "width"), [(0.9, 0.3), (0.5, 0.2), (0.99, 0.1)])
def test_cases_for_width_are_the_fewest(share: float, width: float) -> None:
    n = int(cases_for_width(share, width).value)
    assert expected_width(share, n) <= width < expected_width(share, n - 1)


def test_all_found_gives_the_known_intervals() -> None:
    """All 5 found: 0.478 to 1; all 20: 0.832 to 1 (section 2.2 of the specification)."""
    assert expected_width(1.0, 5) == pytest.approx(1 - 0.478, abs=5e-4)
    assert cases_for_width(1.0, 1 - 0.8315).value == 20
    assert cases_for_width(0.5, 0.001).reason == "more than 20000 patients"


def test_power_is_that_of_the_exact_interval() -> None:
    n, at_least, share = 30, 0.7, 0.9
    shown = [k for k in range(n + 1) if clopper_pearson(k, n).low > at_least]
    assert power_to_show(share, at_least, n) == pytest.approx(binom.pmf(shown, n, share).sum())
    assert power_to_show(share, at_least, 5) == 0  # even 5 of 5 start at 0.478
    fewest = int(cases_to_show(share, at_least).value)
    later = [power_to_show(share, at_least, k) for k in range(fewest, fewest + 60)]
    assert min(later) >= 0.8 > power_to_show(share, at_least, fewest - 1)
    assert cases_to_show(0.7001, 0.7).reason == "more than 20000"
    with pytest.raises(EvaluationError, match="must exceed"):
        cases_to_show(0.5, 0.7)


def test_without_failure_the_bound_is_reached() -> None:
    for bound in (0.5, 0.95, 0.99, 0.999):
        n = cases_without_failure(bound)
        assert no_failure_bound(n) >= bound > no_failure_bound(n - 1)


def test_the_power_of_an_auroc_is_that_of_proc() -> None:
    """Row 12 of the specification: pROC 1.19, tests of power.roc.test (41 of 113 patients; AUROC 0.73 and s100b)."""
    s100b = 0.73136856
    assert power_of_auroc(0.73, 41, 72) == pytest.approx(0.9897453, abs=1e-6)
    assert power_of_auroc(s100b, 41, 72) == pytest.approx(0.9904833, abs=1e-6)
    needed = cases_for_auroc(s100b, power=0.95, ratio=1.7)
    assert (needed, 1.7 * needed) == pytest.approx((29.29764, 49.806), abs=2e-5)
    assert power_of_auroc(s100b, 30, 51) > 0.95 > power_of_auroc(s100b, 29, 49)
    for wrong in (lambda: power_of_auroc(0.5, 5, 5), lambda: cases_for_auroc(0.8, power=1.0)):
        with pytest.raises(EvaluationError, match=r"expected 0\.5 to 1"):
            wrong()
