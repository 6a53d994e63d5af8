"""Learning from cases: attention finds the few images that matter, where a mean drowns them; and repeats exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from nmevision.config import TrainSection
from nmevision.errors import DataError
from nmevision.training import mil
from nmevision.training.mil import Bags, Fitted, bags_of, fit_bags

SETTINGS = TrainSection(epochs=40, batch_size=16, lr=3e-3, weight_decay=0.01, patience=10)


def rare_images(cases: int, seed: int, size: int = 20) -> tuple[Bags, np.ndarray]:
    """Cases of 20 images; one image of each stands out, and only in it do the classes differ. Which one, too."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (cases, size, 12)).astype(np.float32)
    labels = np.arange(cases) % 2
    marked = rng.integers(0, size, cases)
    values[np.arange(cases), marked, 0] += 6
    values[np.arange(cases), marked, 1] += np.where(labels, 2.5, -2.5)
    values = values * 3 + 7  # of any scale
    bags = np.repeat(np.arange(cases), size)
    return Bags(values.reshape(-1, 12).astype(np.float32), bags, labels), marked


def scores(fitted: Fitted, bags: Bags) -> np.ndarray:
    with torch.no_grad():
        logits = fitted.logits(torch.from_numpy(bags.values), torch.from_numpy(bags.bags), len(bags.labels))
    return (logits[:, 1] - logits[:, 0]).numpy()


def test_attention_beats_the_mean_where_one_image_matters_and_finds_it() -> None:
    train, val, (test, marked) = rare_images(160, 0)[0], rare_images(60, 1)[0], rare_images(100, 2)
    found = {}
    for pooling in ("mean", "attention"):
        fitted = fit_bags(train, val, 2, pooling, SETTINGS, 0.0, seed=0)
        found[pooling] = roc_auc_score(test.labels, scores(fitted, test))
    assert found["attention"] > 0.95 > 0.88 > found["mean"]
    assert fitted.attention is not None
    with torch.no_grad():
        weights = fitted.attention(torch.from_numpy(test.values))[:, 0].reshape(100, 20)
    hits = (
        weights.argmax(1).numpy() == marked
    )  # finding the images of one class is enough to tell the two apart
    assert max(hits[test.labels == label].mean() for label in (0, 1)) > 0.9


def test_the_same_seed_learns_the_same_and_large_cases_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    train, val = rare_images(20, 0)[0], rare_images(10, 1)[0]
    few = SETTINGS.model_copy(update={"epochs": 2})
    first, again = (fit_bags(train, val, 2, "attention", few, 0.2, seed=3) for _ in range(2))
    assert torch.equal(first.diagnosis.weight, again.diagnosis.weight)
    monkeypatch.setattr(mil, "MOST_IMAGES", 5)
    sampled = fit_bags(train, val, 2, "attention", few, 0.2, seed=3)
    assert not torch.equal(first.diagnosis.weight, sampled.diagnosis.weight)


def test_cases_are_put_together_and_must_have_one_diagnosis() -> None:
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    found = bags_of(values, np.array(["b", "a", "b", "c"]), np.array([1, 0, 1, 1]))
    assert (found.bags.tolist(), found.labels.tolist()) == ([1, 0, 1, 2], [0, 1, 1])
    with pytest.raises(DataError, match="b: its images have different diagnoses"):
        bags_of(values, np.array(["b", "a", "b", "c"]), np.array([1, 0, 0, 1]))
