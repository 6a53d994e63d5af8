"""The limits of prediction sets against the house's own sets for patients, crepes, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_bundle import TAXONOMY

from nmevision.evaluation.conformal import calibrate
from nmevision.training.sets import fit_sets, limit_of


def drawn(counts: tuple[int, ...], seed: int, images: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, probabilities and patients; the images of a patient are alike."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(sum(counts)), images)
    labels = np.repeat(np.repeat(np.arange(len(counts)), counts), images)
    own = rng.normal(size=(sum(counts), len(counts)))[patients]
    logits = own + 0.3 * rng.normal(size=own.shape) + 1.2 * np.eye(len(counts))[labels]
    p = np.exp(logits)
    return labels, p / p.sum(axis=1, keepdims=True), patients.astype(object)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("counts", [(8, 9, 40), (18, 19, 20), (3, 4, 55)])
def test_one_image_of_each_patient_gives_the_limits_of_patients(
    alpha: float, counts: tuple[int, ...]
) -> None:
    labels, p, patients = drawn(counts, seed=3)
    expected = calibrate(labels, p, alpha).least
    for k in range(3):
        mine = labels == k
        found = limit_of(p[mine, k], patients[mine], alpha)
        assert (-np.inf if found is None else found) == pytest.approx(expected[k])


def test_sets_are_those_of_crepes() -> None:
    crepes = pytest.importorskip("crepes")
    labels, p, patients = drawn((12, 30, 55), seed=1)
    p = np.round(p, 8)
    others = np.round(drawn((5, 20, 20), seed=2)[1], 8)
    limits = fit_sets(p, labels, patients, TAXONOMY).diagnoses
    reference = crepes.ConformalClassifier()
    reference.fit(1 - p[np.arange(len(p)), labels], bins=labels)
    for k, limit in enumerate(limits):
        values = reference.predict_p(1 - others[:, [k]], bins=np.full(len(others), k), smoothing=False)
        assert limit.least is not None
        assert ((others[:, k] >= limit.least) == (values[:, 0] > 0.1 + 1e-12)).all()


def test_images_of_a_new_patient_are_covered_though_images_of_one_patient_are_alike() -> None:
    rng, covered = np.random.default_rng(0), []
    for _ in range(600):
        own = np.repeat(np.arange(16), rng.choice([1, 2, 12], 16))
        scores = rng.normal(size=16)[own] + 0.2 * rng.normal(size=len(own))
        new = own == 15
        least = limit_of(scores[~new], own[~new].astype(object), 0.1)
        covered.append((scores[new] >= least).mean())
    assert 0.9 - 3 * np.std(covered) / 600**0.5 < np.mean(covered) < 0.96


def test_too_few_patients_have_no_limit_however_many_images() -> None:
    labels, p, patients = drawn((8, 9, 30), seed=5, images=10)
    nme, psoriasis, eczema = fit_sets(p, labels, patients, TAXONOMY).diagnoses
    assert (nme.patients, nme.least) == (8, None)
    assert (psoriasis.patients, psoriasis.least is None) == (9, False)
    assert eczema.patients == 30


def test_groups_pool_the_patients_of_their_members_and_unknown_labels_count_nowhere() -> None:
    labels, p, patients = drawn((4, 5, 6), seed=5)
    labels[-1] = -1
    found = fit_sets(p, labels, patients, TAXONOMY)
    assert [(one.key, one.patients) for one in found.groups] == [("necrolytic", 4), ("other", 10)]
    assert [one.least is None for one in found.groups] == [True, False]
    assert all(one.least is None for one in found.diagnoses)
    own = p[(labels == 1) | (labels == 2)]
    assert found.groups[1].least == pytest.approx(np.sort(own[:, 1] + own[:, 2])[0])
