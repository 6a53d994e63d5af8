"""Members by clinical data: what counts, what never does, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmevision.errors import DataError
from nmevision.knowledge.building import model_of_knowledge
from nmevision.knowledge.clinical_data import (
    FEATURES,
    NO_RATE,
    ClinicalData,
    Members,
    member_posterior,
    read_glucagon,
)
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.observations import from_grades
from nmevision.knowledge.prior import Prior

KNOWLEDGE = load_knowledge()
RATES = {
    key: {"k": 10, "n": 100, "source": "made up for this test"}
    for key in ("diabetes", "glucagon_below_500_pg_ml")
}
WITH_RATES = Prior.model_validate({"comparison_rates": RATES})


def ask(data: ClinicalData, prior: Prior | None = None) -> Members:
    return member_posterior(KNOWLEDGE, "necrolytic", data, prior or Prior(), draws=20, seed=0)


def graded(**grades: int) -> dict[str, np.ndarray]:
    return {key: from_grades([[grade]])[0, 0] for key, grade in grades.items()}


def test_nothing_known_gives_no_numbers() -> None:
    assert ask(ClinicalData()) == Members({}, {}, {}, ())


def test_a_feature_without_comparison_rate_is_said_and_not_counted() -> None:
    for feature in FEATURES:
        found = ask(ClinicalData(features={feature: True}))
        assert dict(found.probabilities) == {}
        assert [(s.counted, s.says) for s in found.statements] == [(False, NO_RATE)]


def test_a_stated_comparison_rate_makes_bayes_by_hand() -> None:
    found = ask(ClinicalData(features={"diabetes": True}), WITH_RATES)
    nme, others = 5.5 / 8, 10.5 / 101  # (k + 1/2) / (n + 1) of 5/7 and of 10/100, one prior of 1/5 each
    assert found.probabilities["nme"] == pytest.approx(nme / (nme + 4 * others), abs=1e-12)
    assert sum(found.probabilities.values()) == pytest.approx(1)
    absent = ask(ClinicalData(features={"diabetes": False}), WITH_RATES)
    assert absent.probabilities["nme"] == pytest.approx((1 - nme) / ((1 - nme) + 4 * (1 - others)), abs=1e-12)
    assert "5/7" in found.statements[0].says


def test_sites_count_with_the_clinical_profiles() -> None:
    found = ask(ClinicalData(graded(site_acral_lower_leg=3, site_intertriginous=0, mucosal_erosions=0)))
    members = [key for key, group in KNOWLEDGE.group_of.items() if group == "necrolytic"]
    model = model_of_knowledge(
        KNOWLEDGE,
        "clinical",
        findings=["site_acral_lower_leg", "site_intertriginous", "mucosal_erosions"],
        diagnoses=members,
        with_other=False,
    )
    values = {"site_acral_lower_leg": 3, "site_intertriginous": 0, "mucosal_erosions": 0}
    likelihood = np.exp(model.log_likelihoods(from_grades([[values[key] for key in model.findings]]))[0])
    expected = dict(zip(model.classes, likelihood / likelihood.sum(), strict=True))
    assert found.probabilities == pytest.approx(expected, abs=1e-12)
    assert max(expected, key=lambda key: expected[key]) == "necrolytic_acral_erythema"
    assert all(s.counted for s in found.statements)


def test_the_prior_within_the_group_counts() -> None:
    weights = {key: 1.0 for key, group in KNOWLEDGE.group_of.items() if group == "necrolytic"}
    even = ask(ClinicalData(graded(alopecia=2)))
    rare = ask(ClinicalData(graded(alopecia=2)), Prior(members={"necrolytic": {**weights, "nme": 0.01}}))
    odds = [p.probabilities["nme"] / p.probabilities["pellagra"] for p in (even, rare)]
    assert odds[1] == pytest.approx(0.01 * odds[0])


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0, 499.9),
    st.sampled_from([None, WITH_RATES]),
    st.booleans(),
    st.dictionaries(st.sampled_from(list(FEATURES)), st.booleans(), max_size=3),
)
def test_glucagon_below_500_never_lowers_nme(
    value: float, prior: Prior | None, sites: bool, features: dict[str, bool]
) -> None:
    findings = graded(site_intertriginous=2) if sites else {}
    without = ask(ClinicalData(findings, features), prior)
    low = ask(ClinicalData(findings, features, read_glucagon(f"{value:.3f} pg/mL")), prior)
    assert dict(low.probabilities) == dict(without.probabilities)
    assert "does not make NME or glucagonoma unlikely" in low.statements[-1].says


def test_glucagon_above_500_raises_nme_only_with_a_stated_rate() -> None:
    high = ClinicalData(graded(site_intertriginous=2), {}, read_glucagon(">800 pg/mL"))
    plain = ask(ClinicalData(graded(site_intertriginous=2)))
    assert dict(ask(high).probabilities) == dict(plain.probabilities)
    assert "highly suggestive" in ask(high).statements[-1].says
    rates = {"glucagon_below_500_pg_ml": {"k": 95, "n": 100, "source": "made up for this test"}}
    raised = ask(high, Prior.model_validate({"comparison_rates": rates}))
    assert raised.probabilities["nme"] > plain.probabilities["nme"]


def test_a_censored_value_that_spans_the_cut_says_nothing() -> None:
    found = ask(ClinicalData(glucagon=read_glucagon("<600 pg/mL")), WITH_RATES)
    assert dict(found.probabilities) == {}
    assert "may be below or above" in found.statements[0].says


def test_units_are_checked_and_converted() -> None:
    assert read_glucagon("100 pmol/L").low == pytest.approx(348.3)
    assert read_glucagon("217", "pg/mL").high == 217
    assert read_glucagon("217 ng/L").high == 217
    for text in ("217", "217 mg/dL", "high", "-5 pg/mL", "99999999 pg/mL", ""):
        with pytest.raises(DataError):
            read_glucagon(text)
