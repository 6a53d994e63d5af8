from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmevision.errors import EvaluationError
from nmevision.evaluation.decision_curve import decision_curve, net_benefit


def table(tp: int, fn: int, fp: int, tn: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return outcomes and probabilities with these counts at the threshold."""
    return np.repeat([1, 1, 0, 0], (tp, fn, fp, tn)), np.repeat([1.0, 0.0, 1.0, 0.0], (tp, fn, fp, tn))


# Rows 15 to 18 of the specification: results printed in the tests of dcurves (Memorial Sloan Kettering); the
# counts are those of its data sets (750 patients, 105 cancers; 420 cases and 330 controls).
MARKER, FAMILY, CASE_CONTROL = (72, 33, 72, 573), (24, 81, 91, 554), (114, 306, 30, 300)


@pytest.mark.parametrize(
    ("counts", "threshold", "prevalence", "everyone", "model"),
    [
        (MARKER, 0.25, None, -0.1466667, 0.0640000),
        (FAMILY, 0.0, None, 0.140, 0.032),
        (CASE_CONTROL, 0.25, 0.15, -0.13333333, 0.01495671),
        ((87, 18, 193, 452), 0.1, None, 0.044444, 0.087407),
        ((96, 9, 320, 325), 0.05, None, 0.094737, 0.105544),
    ],
)
def test_net_benefit_is_that_of_dcurves(
    counts: tuple[int, int, int, int],
    threshold: float,
    prevalence: float | None,
    everyone: float,
    model: float,
) -> None:
    found = decision_curve(*table(*counts, threshold), [threshold], prevalence)[0]
    assert found.model.value == pytest.approx(model, abs=1e-6)
    assert found.everyone == pytest.approx(everyone, abs=1e-6)
    assert found.interval.low < found.model.value < found.interval.high
    share = prevalence or (counts[0] + counts[1]) / sum(counts)
    assert found.standardised.value == pytest.approx(model / share, abs=1e-5)


def test_interventions_avoided_are_those_of_dcurves() -> None:
    """Row 17: at 0.25 all 0, none 0.44, model 0.632."""
    found = decision_curve(*table(*MARKER, 0.25), [0.25])[0]
    assert found.avoided.value == pytest.approx(0.632, abs=1e-6)
    nobody = decision_curve(*table(0, 105, 0, 645, 0.25), [0.25])[0]
    assert (nobody.model.value, nobody.avoided.value) == pytest.approx((0, 0.44))
    everyone = decision_curve(*table(105, 0, 645, 0, 0.25), [0.25])[0]
    assert (everyone.model.value, everyone.avoided.value) == pytest.approx((everyone.everyone, 0))
    assert decision_curve(*table(*FAMILY, 0), [0.0])[0].avoided.reason.startswith("threshold 0")


@given(st.integers(0, 1000), st.floats(0.001, 0.9), st.floats(0.001, 0.9))
@settings(max_examples=40, deadline=None)
def test_no_model_beats_the_truth(seed: int, threshold: float, prevalence: float) -> None:
    generator = np.random.default_rng(seed)
    y, p = np.arange(30) < 8, generator.random(30)
    found = decision_curve(y, p, [threshold], prevalence)[0]
    assert found.standardised.value <= 1 + 1e-12
    truth = decision_curve(y, y.astype(float), [threshold], prevalence)[0]
    assert truth.standardised.value == pytest.approx(1)
    own = decision_curve(y, p, [threshold])[0].model.value
    counted = (y & (p > threshold)).mean() - (~y & (p > threshold)).mean() * threshold / (1 - threshold)
    assert own == pytest.approx(counted)


def test_what_cannot_be_is_refused_or_said() -> None:
    assert decision_curve([0, 0], [0.1, 0.2], [0.1])[0].model.reason == "no positives"
    assert math.isnan(decision_curve([], [], [0.1])[0].interval.low)
    with pytest.raises(EvaluationError, match="below 1"):
        decision_curve([0, 1], [0.1, 0.2], [1.0])
    with pytest.raises(EvaluationError, match="prevalence 2"):
        decision_curve([0, 1], [0.1, 0.2], prevalence=2)
    assert net_benefit(0, 1, 0.3, 0.2) == 0
