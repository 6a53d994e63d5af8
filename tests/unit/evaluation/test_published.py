"""Numbers that others published, to 1e-6, each with its source.

aSAH: 113 patients after aneurysmal subarachnoid haemorrhage (Turck et al. 2010, doi:10.1007/s00134-009-1641-y),
as in the R package pROC, whose own tests (commit ee2877e8, files named below) hold the expected numbers. Only
what ranks depend on is typed here: WFNS and GOS grades and the dense ranks of S100b and NDKA, sorted anew.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import chi2, norm
from sklearn import metrics as reference
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from nmevision.evaluation import clustered, comparison, intervals, metrics, rates

TO = 1e-6

GROUPS = {  # (poor outcome, woman): WFNS, GOS at six months, ranks of S100b, ranks of NDKA
    (0, 0): (
        "1111111111111122224445",
        "4555555555555555554554",
        "2 2 3 3 5 5 6 6 7 8 9 9 17 37 5 6 7 12 15 26 34 36",
        "59 80 20 106 13 21 16 43 75 102 18 31 62 68 47 30 58 91 71 46 101 8",
    ),
    (0, 1): (
        "11111111111111111111111222222222222222233344444555",
        "45555555555555555555555445555555555555555555555555",
        "7 2 2 4 4 5 5 6 6 7 7 8 8 8 11 11 12 12 12 13 14 16 39 8 11 2 6 7 8 8 9 9 13 13 13 14 15 17 32 3 5 27 14 "
        "24 28 30 36 20 35 39",
        "12 42 67 19 53 10 54 3 57 22 104 23 85 95 1 108 27 63 84 92 65 76 15 9 64 79 86 34 83 96 11 60 26 39 94 45 "
        "56 29 74 35 51 81 36 30 4 44 40 37 33 14",
    ),
    (1, 0): (
        "12222444455555555555",
        "11113113311111111113",
        "6 5 7 8 8 11 14 19 49 10 18 27 29 33 38 41 43 44 47 33",
        "107 87 70 61 33 6 66 93 17 78 7 105 72 77 49 32 63 28 103 5",
    ),
    (1, 1): (
        "122222222344445555555",
        "311111333111331111333",
        "5 9 12 25 31 42 5 7 21 11 22 23 37 44 1 45 46 50 26 40 48",
        "100 88 99 48 38 52 97 98 25 82 76 89 90 24 55 50 41 109 73 2 69",
    ),
}


def column(which: int) -> np.ndarray:
    """Return one measurement of all 113 patients."""
    texts = [values[which] for values in GROUPS.values()]
    return np.concatenate([np.array(list(t) if which < 2 else t.split(), float) for t in texts])


POOR, WOMAN = (
    np.concatenate([np.full(len(values[0]), key[place], bool) for key, values in GROUPS.items()])
    for place in (0, 1)
)
WFNS, GOS, S100B, NDKA = (column(which) for which in range(4))


def test_the_rebuilt_patients_are_the_published_ones() -> None:
    """Turck et al. 2010: 113 patients, 41 with poor outcome, 71 women."""
    assert (len(POOR), POOR.sum(), WOMAN.sum()) == (113, 41, 71)
    assert {len(one) for one in (WFNS, GOS, S100B, NDKA)} == {113}


@pytest.mark.parametrize(
    ("scores", "area", "variance"),
    [
        (WFNS, 0.823678861788618, 0.00146991470882363),
        (S100B, 0.73136856, 0.00266868245717244),
        (NDKA, 0.611957994579946, 0.0031908105493913),
    ],
    ids=["wfns", "s100b", "ndka"],
)
def test_auroc_and_delong_variance(scores: np.ndarray, area: float, variance: float) -> None:
    """Rows 1 and 2: pROC test-auc.R and test-var.R."""
    assert metrics.auroc(POOR, scores).value == pytest.approx(area, abs=TO)
    assert intervals.delong_variance(POOR, scores) == pytest.approx(variance, abs=1e-12)


def test_obuchowski_is_delong_where_every_patient_has_one_image_or_the_same_image_several_times() -> None:
    """Section 2.1: aSAH wfns 0.00146991 in all three forms."""
    names = np.arange(113)
    for k in (1, 2, 5):
        found = clustered.clustered_variance(np.repeat(POOR, k), np.repeat(WFNS, k), np.repeat(names, k))
        assert found == pytest.approx(0.00146991470882363, abs=1e-12)


def test_delong_covariance() -> None:
    """Row 3: pROC test-cov.R."""
    areas, covariance = comparison.delong_covariance(POOR, np.stack([WFNS, NDKA, S100B], axis=1))
    assert areas == pytest.approx([0.82367886, 0.61195799, 0.73136856], abs=TO)
    assert covariance[0, 1] == pytest.approx(-0.000532967856762438, abs=1e-12)
    assert covariance[1, 2] == pytest.approx(-0.000756164938056579, abs=1e-12)
    assert covariance[2, 0] == pytest.approx(0.00119615567376754, abs=1e-12)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (np.ones(113, bool), (0.501244999271703, 0.611957994579946, 0.722670989888189)),
        (WOMAN, (0.5261398281, 0.6671428571, 0.8081458862)),
    ],
    ids=["all", "women"],
)
def test_delong_interval(rows: np.ndarray, expected: tuple[float, float, float]) -> None:
    """Rows 4 and 5: pROC test-ci.auc.R, NDKA, on the plain scale."""
    area = metrics.auroc(POOR[rows], NDKA[rows]).value
    half = norm.isf(0.025) * math.sqrt(intervals.delong_variance(POOR[rows], NDKA[rows]))
    assert (area - half, area, area + half) == pytest.approx(expected, abs=TO)


@pytest.mark.parametrize(
    ("first", "second", "z", "p"),
    [
        (WFNS, S100B, 2.20898359144091, 0.0271757822291882),
        (WFNS, NDKA, 2.79777591868904, 0.00514557970691098),
        (NDKA, S100B, -1.39077002573558, 0.164295175223054),
    ],
    ids=["wfns-s100b", "wfns-ndka", "ndka-s100b"],
)
def test_paired_delong(first: np.ndarray, second: np.ndarray, z: float, p: float) -> None:
    """Rows 6 and 7: pROC test-roc.test.R."""
    found = comparison.paired_delong(POOR, first, second)
    assert found.statistic == pytest.approx(z, abs=TO)
    assert found.p.value == pytest.approx(p, abs=TO)
    if second is S100B and first is WFNS:
        limits = (0.0104061769564846, 0.174214419249478)
        assert (found.interval.low, found.interval.high) == pytest.approx(limits, abs=TO)


@pytest.mark.parametrize(
    ("first", "second", "t", "p"),
    [
        (WFNS, S100B, 1.43490640926908, 0.152825378808796),
        (WFNS, NDKA, 3.10125096778969, 0.00220950791756457),
        (NDKA, S100B, -1.55995743389685, 0.120192832430845),
    ],
    ids=["wfns-s100b", "wfns-ndka", "ndka-s100b"],
)
def test_unpaired_delong(first: np.ndarray, second: np.ndarray, t: float, p: float) -> None:
    """Row 8: pROC test-roc.test.R."""
    found = comparison.unpaired_delong(POOR, first, POOR, second)
    assert found.statistic == pytest.approx(t, abs=TO)
    assert found.p.value == pytest.approx(p, abs=TO)


@pytest.mark.parametrize(
    ("scores", "raw", "standardised"),
    [
        (WFNS, 0.0334417344173442, 0.649693339038653),
        (NDKA, 0.0107046070460705, 0.530024247610897),
    ],
    ids=["wfns", "ndka"],
)
def test_partial_auroc(scores: np.ndarray, raw: float, standardised: float) -> None:
    """Row 9: pROC test-auc.R, specificity 1 to 0.9, raw and `partial.auc.correct`."""
    assert rates.partial_auroc(POOR, scores, 0.1, standardised=False).value == pytest.approx(raw, abs=TO)
    assert rates.partial_auroc(POOR, scores, 0.1).value == pytest.approx(standardised, abs=TO)
    assert rates.partial_auroc(POOR, scores, 1.0, standardised=False).value == pytest.approx(
        metrics.auroc(POOR, scores).value
    )


def test_partial_area_over_sensitivity() -> None:
    """Row 10: pROC test-auc.R, sensitivity 0.9 to 1 of WFNS and NDKA: labels exchanged, scores negated."""
    for scores, expected in ((WFNS, 0.0400999322493225), (NDKA, 0.0037940379403794)):
        found = rates.partial_auroc(~POOR, -scores, 0.1, standardised=False)
        assert found.value == pytest.approx(expected, abs=TO)


def test_hand_and_till() -> None:
    """Row 11: pROC test-multiclass.R, GOS (4 grades seen) by S100b: mean pairwise AUROC, three directions."""
    rising, automatic = [], []
    for low, high in itertools.combinations(sorted(set(GOS)), 2):
        rows = np.isin(GOS, (low, high))
        area = metrics.auroc(GOS[rows] == high, S100B[rows]).value
        rises = np.median(S100B[low == GOS]) <= np.median(S100B[high == GOS])
        rising.append(area)
        automatic.append(area if rises else 1 - area)
    assert np.mean(rising) == pytest.approx(0.3487473175, abs=TO)
    assert 1 - np.mean(rising) == pytest.approx(0.6512526825, abs=TO)
    assert np.mean(automatic) == pytest.approx(0.6539999352, abs=TO)


SAS = """3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1"""
"""Ovarian cancer with bowel obstruction (DeLong et al. 1988) as printed in SAS/STAT, The LOGISTIC Procedure,
"Comparing Receiver Operating Characteristic Curves": albumin, total protein, K-G score, benefit."""


def test_three_correlated_areas_of_delong_1988() -> None:
    """Row 13: chi2(2) 2.5340, p 0.2817; each against K-G. Five digits were published, hence the tolerance."""
    data = np.array(SAS.split(), float).reshape(-1, 4)
    scores = np.stack([data[:, 0], 10 - data[:, 2], data[:, 1]], axis=1)
    areas, covariance = comparison.delong_covariance(data[:, 3], scores)
    assert areas == pytest.approx([0.73656, 0.72581, 0.64785], abs=6e-6)
    assert np.sqrt(np.diag(covariance)) == pytest.approx([0.09269, 0.10282, 0.10005], abs=6e-6)
    contrasts = np.array([[1, -1, 0], [0, -1, 1]])
    gap = contrasts @ areas
    statistic = gap @ np.linalg.solve(contrasts @ covariance @ contrasts.T, gap)
    assert statistic == pytest.approx(2.53398, abs=6e-6)
    assert chi2.sf(statistic, 2) == pytest.approx(0.28168, abs=6e-6)
    for other, square in ((0, 0.01272), (2, 0.55535)):
        found = comparison.paired_delong(data[:, 3], scores[:, other], scores[:, 1], fewest=2)
        assert found.statistic**2 == pytest.approx(square, abs=6e-6)


def test_mcnemar_of_the_presidents_approval() -> None:
    """Row 22: 794/86/150/570 (Agresti; Penn State STAT 504, chi2 17.3559): exact p 3.716e-05."""
    first = np.repeat([True, True, False, False], [794, 86, 150, 570])
    second = np.repeat([True, False, True, False], [794, 86, 150, 570])
    found = comparison.mcnemar(first, second)
    assert (found.only_first, found.only_second) == (86, 150)
    assert found.p.value == pytest.approx(3.716e-05, abs=5e-9)
    assert pytest.approx(17.3559, abs=6e-5) == (86 - 150) ** 2 / (86 + 150)


@pytest.mark.parametrize(("n", "p"), [(4, 0.125), (5, 0.0625), (6, 0.03125)])
def test_six_discordant_patients_are_needed(n: int, p: float) -> None:
    """Section 2.3: all one way, 5 give p = 0.0625 and 6 give 0.031."""
    found = comparison.mcnemar(np.ones(n), np.zeros(n)).p
    assert found.value == pytest.approx(p, abs=1e-12)
    assert ("can never reach" in found.reason) == (n < 6)


def test_examples_of_the_scikit_learn_documentation() -> None:
    """Rows 23 and 24: AUROC, AP, Brier, MCC, balanced accuracy, log-loss, likelihood ratios."""
    labels, scores = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    assert metrics.auroc(labels, scores).value == 0.75
    assert metrics.average_precision(labels, scores).value == pytest.approx(5 / 6, abs=TO)
    assert metrics.brier([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]).value == pytest.approx(0.0375, abs=TO)
    assert rates.mcc([1, 1, 1, 0], [1, 0, 1, 1], 2).value == pytest.approx(-1 / 3, abs=TO)
    found = metrics.balanced_accuracy([0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1], 2).value
    assert found == pytest.approx(0.625, abs=TO)
    spam = rates.nll([1, 0, 0, 1], [0.9, 0.1, 0.2, 0.65])  # P(spam) of spam, ham, ham, spam
    assert spam.value == pytest.approx(0.21616, abs=6e-6)
    # truth 0 1 0 1 0, called 1 1 0 0 0: one true positive, one miss, one false alarm, two kept
    ratios = rates.likelihood_ratios(tp=1, fn=1, fp=1, tn=2)
    assert (ratios.positive.value, ratios.negative.value) == pytest.approx((1.5, 0.75), abs=TO)


def test_calibration_error_of_the_torchmetrics_documentation() -> None:
    """Row 25: two bins, l1 0.2900 (l2 and max are no metric of ours)."""
    p = np.array([0.25, 0.25, 0.55, 0.75, 0.75])
    found = metrics.calibration_error([0, 0, 1, 1, 1], p, metrics.width_bins(p, 2))
    assert found.value == pytest.approx(0.29, abs=TO)


@pytest.mark.parametrize("n_positive", [3, 5])
def test_least_exact_p_of_mann_and_whitney(n_positive: int) -> None:
    """Row 27: 1 / C(n, n+): 3 against 20 5.647e-4, 5 against 20 1.882e-5."""
    scores = np.arange(20 + n_positive)
    found = metrics.mann_whitney_p(scores >= 20, scores)[0].value
    assert found == pytest.approx(1 / math.comb(20 + n_positive, n_positive), abs=1e-12)
    assert found == pytest.approx({3: 5.647e-4, 5: 1.882e-5}[n_positive], rel=1e-3)


@pytest.mark.parametrize(
    ("n", "bound"), [(5, 0.549), (7, 0.652), (10, 0.741), (15, 0.819), (20, 0.861), (59, 0.950)]
)
def test_one_sided_bound_without_a_failure(n: int, bound: float) -> None:
    """Section 2.2: 0.05^(1/n)."""
    assert intervals.no_failure_bound(n) == pytest.approx(bound, abs=6e-4)


def test_fast_delong_gives_the_area_of_the_iris_test() -> None:
    """Row 14: the fit depends on the solver's version, so only the area is compared, exactly (Xu and Sun's own check)."""
    flowers = load_iris()
    split = train_test_split(flowers.data, flowers.target == 1, test_size=0.8, random_state=42)
    train, test, known, truth = split
    p = LogisticRegression(solver="lbfgs").fit(train, known).predict_proba(test)[:, 1]
    above, below = intervals.delong_components(truth, p)
    area = reference.roc_auc_score(truth, p)
    assert above.mean() == pytest.approx(area, abs=1e-12)
    assert below.mean() == pytest.approx(area, abs=1e-12)
    assert intervals.delong_variance(truth, p) == pytest.approx(0.0015359814789736538, rel=0.05)
