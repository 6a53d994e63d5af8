from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from nmevision.errors import EvaluationError
from nmevision.evaluation import clustered, intervals, metrics, weighted


@dataclass
class Images:
    labels: np.ndarray
    scores: np.ndarray
    patients: np.ndarray


def images(seed: int, n_patients: int = 30, n_images: int = 120, mixed: bool = True) -> Images:
    """Return images of patients; `mixed` patients hold both labels."""
    generator = np.random.default_rng(seed)
    patients = np.r_[np.arange(n_patients), generator.integers(0, n_patients, n_images - n_patients)]
    own = generator.random(n_patients) < 0.4
    labels = generator.random(n_images) < 0.4 if mixed else own[patients]
    level = generator.normal(size=n_patients)[patients]
    return Images(labels, np.round(level + generator.normal(size=n_images) + labels, 1), patients)


def by_definition(one: Images) -> float:
    """Return Obuchowski's variance written out pair by pair."""
    positive, negative = one.scores[one.labels], one.scores[~one.labels]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    area, n_positive, n_negative = wins.mean(), len(positive), len(negative)
    tens, ones, cross = [], [], []
    for name in np.unique(one.patients):
        mine = one.patients == name
        ten = (wins.mean(axis=1) - area)[mine[one.labels]].sum()
        zero = (wins.mean(axis=0) - area)[mine[~one.labels]].sum()
        if mine[one.labels].any():
            tens.append(ten**2)
        if mine[~one.labels].any():
            ones.append(zero**2)
        cross.append(ten * zero)
    s10 = len(tens) / ((len(tens) - 1) * n_positive) * sum(tens)
    s01 = len(ones) / ((len(ones) - 1) * n_negative) * sum(ones)
    s11 = len(cross) / (len(cross) - 1) * sum(cross)
    return s10 / n_positive + s01 / n_negative + 2 * s11 / (n_positive * n_negative)


@pytest.mark.parametrize("mixed", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_variance_is_the_printed_formula(seed: int, mixed: bool) -> None:
    one = images(seed, mixed=mixed)
    found = clustered.clustered_variance(one.labels, one.scores, one.patients)
    assert found == pytest.approx(by_definition(one), rel=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 4))
@settings(deadline=None, max_examples=30)
def test_single_images_are_delong_and_copies_tell_nothing_new(seed: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    labels, scores = np.arange(20) < 8, np.round(generator.random(20), 1)
    plain = clustered.clustered_variance(labels, scores, np.arange(20))
    assert plain == pytest.approx(intervals.delong_variance(labels, scores), abs=1e-15)
    one = images(seed)
    once = clustered.clustered_variance(one.labels, one.scores, one.patients)
    copied = (np.repeat(values, k) for values in (one.labels, one.scores, one.patients))
    assert clustered.clustered_variance(*copied) == pytest.approx(once, abs=1e-15)
    naive = intervals.delong_variance(np.repeat(one.labels, k), np.repeat(one.scores, k))
    assert naive < intervals.delong_variance(one.labels, one.scores) / (k - 0.5)


def test_the_cluster_bootstrap_spreads_as_obuchowski_says() -> None:
    one = images(5, n_patients=400, n_images=1600, mixed=False)
    first = np.unique(one.patients, return_index=True)[1]
    statistic = clustered.image_auroc_of(one.labels, one.scores, one.patients)
    replicates = intervals.resample(one.labels[first], {"a": statistic}, 2000, 0)["a"]
    expected = math.sqrt(clustered.clustered_variance(one.labels, one.scores, one.patients))
    assert replicates.std() == pytest.approx(expected, rel=0.08)
    assert math.sqrt(intervals.delong_variance(one.labels, one.scores)) < 0.8 * expected


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("mixed", [True, False])
def test_image_statistics_equal_the_metric_of_repeated_images(
    in_memory: bool, mixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both roads, the matrix product and the count per replicate, give what scikit-learn gives."""
    if not in_memory:
        monkeypatch.setattr(clustered, "PAIRS_IN_MEMORY", 1)
    one = images(2, mixed=mixed)
    p = 1 / (1 + np.exp(-one.scores))
    bins = metrics.mass_bins(p)
    weights = np.random.default_rng(0).integers(0, 4, (6, 30)).astype(float)
    area = clustered.image_auroc_of(one.labels, one.scores, one.patients)(weights)
    precision = clustered.image_average_precision_of(one.labels, one.scores, one.patients)(weights)
    error = clustered.image_calibration_error_of(one.labels.astype(float), p, bins, one.patients)(weights)
    single = weighted.calibration_error_of(one.labels.astype(float), p, bins)
    for row, found in enumerate(zip(area, precision, error, strict=True)):
        index = np.repeat(np.arange(120), weights[row, one.patients].astype(int))
        labels, scores = one.labels[index], one.scores[index]
        assert found[0] == pytest.approx(reference.roc_auc_score(labels, scores), abs=1e-12)
        assert found[1] == pytest.approx(reference.average_precision_score(labels, scores), abs=1e-12)
        assert found[2] == pytest.approx(single(weights[row : row + 1, one.patients])[0], abs=1e-12)


def test_a_resample_without_a_label_is_undefined() -> None:
    one = images(1, mixed=False)
    first = np.unique(one.patients, return_index=True)[1]
    only = one.labels[first].astype(float)[None]
    for make in (clustered.image_auroc_of, clustered.image_average_precision_of):
        assert np.isnan(make(one.labels, one.scores, one.patients)(only)).all()


def test_interval_and_its_reasons() -> None:
    one = images(0)
    found = clustered.clustered_interval(one.labels, one.scores, one.patients)
    assert found.low < metrics.auroc(one.labels, one.scores).value < found.high
    assert "Obuchowski" in found.method
    one_patient = clustered.clustered_variance([1, 1, 0, 0], [1, 2, 3, 4], ["a", "a", "b", "c"])
    assert math.isnan(one_patient)
    assert clustered.clustered_interval([1, 1], [1, 2], ["a", "b"]).reason == "no negatives"
    with pytest.raises(EvaluationError, match="one length"):
        clustered.clustered_variance([1, 0], [1, 2], ["a"])


def test_memory_stays_bounded_at_many_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    """No statistic sees more than CHUNK cells at once, and no pair matrix is built beyond its limit."""
    n = 20_000
    generator = np.random.default_rng(0)
    labels, scores = np.arange(n) < n // 2, generator.random(n)
    monkeypatch.setattr(clustered, "_wins", lambda *_: pytest.fail("a matrix of 100 million pairs"))
    shapes = []
    statistic = clustered.image_auroc_of(labels, scores, np.arange(n))

    def watched(weights: np.ndarray) -> np.ndarray:
        shapes.append(weights.size)
        return statistic(weights)

    assert len(intervals.resample(labels, {"a": watched}, 12, 0)["a"]) == 12
    assert max(shapes) <= intervals.CHUNK
