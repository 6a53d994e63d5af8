"""The loss against hand-computed values and torch's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nmevision.config import TrainSection
from nmevision.training.losses import BalancedCrossEntropy, Mixed, class_counts, mix, sampling_weights
from nmevision.training.objective import Objective

COUNTS = np.array([6.0, 3.0, 1.0])
LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0], [0.0, 0.0, 0.0], [-1.0, 2.0, 1.0]])
LABELS = torch.tensor([0, 1, 2, 0])


def by_hand(logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0) -> np.ndarray:
    """The cross-entropy of every row in float64."""
    values = logits.numpy().astype(np.float64)
    log_p = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    k = values.shape[1]
    wanted = np.full(values.shape, smoothing / k)
    wanted[np.arange(len(values)), labels.numpy()] += 1 - smoothing
    return -(wanted * log_p).sum(axis=1)


def test_plain() -> None:
    loss = BalancedCrossEntropy(COUNTS, "none", 0.0)
    assert loss(LOGITS, LABELS).item() == pytest.approx(by_hand(LOGITS, LABELS).mean(), abs=1e-6)


def test_label_smoothing() -> None:
    loss = BalancedCrossEntropy(COUNTS, "none", 0.1)
    assert loss(LOGITS, LABELS).item() == pytest.approx(by_hand(LOGITS, LABELS, 0.1).mean(), abs=1e-6)


def test_weights_are_inverse_to_the_counts_and_average_one_over_the_training_set() -> None:
    loss = BalancedCrossEntropy(COUNTS, "weights", 0.0)
    np.testing.assert_allclose(loss.weights, [10 / 18, 10 / 9, 10 / 3], rtol=1e-6)
    assert (loss.weights.numpy() * COUNTS).sum() == pytest.approx(COUNTS.sum())
    expected = (by_hand(LOGITS, LABELS) * loss.weights.numpy()[LABELS]).mean()
    assert loss(LOGITS, LABELS).item() == pytest.approx(expected, abs=1e-6)


def test_weighted_batches_of_any_size_add_up() -> None:
    loss = BalancedCrossEntropy(COUNTS, "weights", 0.0)
    parts = (loss(LOGITS[:1], LABELS[:1]) + 3 * loss(LOGITS[1:], LABELS[1:])) / 4
    assert parts.item() == pytest.approx(loss(LOGITS, LABELS).item(), abs=1e-6)


def test_logit_adjustment_adds_the_log_frequency_while_training() -> None:
    loss = BalancedCrossEntropy(COUNTS, "logits", 0.0)
    shifted = LOGITS + torch.tensor([math.log(0.6), math.log(0.3), math.log(0.1)])
    assert loss(LOGITS, LABELS).item() == pytest.approx(by_hand(shifted, LABELS).mean(), abs=1e-6)


def test_an_absent_class_weighs_nothing_and_breaks_nothing() -> None:
    for balance in ("none", "weights", "sampling", "logits"):
        loss = BalancedCrossEntropy(np.array([4.0, 0.0, 2.0]), balance, 0.05)
        assert torch.isfinite(loss(LOGITS, torch.tensor([0, 0, 2, 2])))
        assert loss.weights[1] == 0
        assert torch.isfinite(loss.prior).all()


@pytest.mark.parametrize("balance", ["none", "weights", "sampling", "logits"])
def test_validation_sums_over_batches_are_the_whole(balance: str) -> None:
    loss = BalancedCrossEntropy(COUNTS, balance, 0.1)
    whole, weight = loss.validation(LOGITS, LABELS)
    parts = [loss.validation(LOGITS[k : k + 1], LABELS[k : k + 1]) for k in range(4)]
    assert sum(p[0].item() for p in parts) == pytest.approx(whole.item(), abs=1e-5)
    assert sum(p[1].item() for p in parts) == pytest.approx(weight.item(), abs=1e-5)
    weights = None if balance == "none" else loss.weights
    expected = F.cross_entropy(LOGITS, LABELS, weight=weights)  # without smoothing or adjustment
    assert (whole / weight).item() == pytest.approx(expected.item(), abs=1e-6)


def test_unknown_labels_teach_nothing() -> None:
    known = torch.tensor([0, 1, -1, 0])
    for balance in ("none", "weights", "sampling", "logits"):
        loss = BalancedCrossEntropy(COUNTS, balance, 0.1)
        logits = LOGITS.clone().requires_grad_()
        loss(logits, known).backward()
        assert logits.grad is not None
        assert not logits.grad[2].any()
        assert logits.grad[[0, 1, 3]].any(dim=1).all()


def test_samples_without_a_diagnosis_are_drawn_like_a_class_of_their_own() -> None:
    labels = np.array([0, 0, 0, 1, -1, -1])
    weights = sampling_weights(labels, 2, TrainSection(balance="sampling"))
    assert weights is not None
    for k in (0, 1, -1):
        assert weights[labels == k].sum() == pytest.approx(1)


def test_half_precision_logits_are_judged_in_full() -> None:
    loss = BalancedCrossEntropy(COUNTS, "none", 0.0)
    assert loss(LOGITS.bfloat16(), LABELS).dtype == torch.float32


def test_the_weights_stay_out_of_checkpoints() -> None:
    assert not BalancedCrossEntropy(COUNTS, "weights", 0.0).state_dict()


class TestMixup:
    def test_images_and_loss_are_blended_alike(self) -> None:
        images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 3, 2, 2)
        mixed = mix(images, LABELS, 0.4, np.random.default_rng(3))
        assert 0 <= mixed.share <= 1
        other = (mixed.images - mixed.share * images) / (1 - mixed.share)
        partner = other[:, 0, 0, 0].round().long()
        assert sorted(partner.tolist()) == [0, 1, 2, 3]
        assert torch.equal(mixed.partners, LABELS[partner])
        objective = Objective(COUNTS, 0, TrainSection(balance="none", label_smoothing=0.0))
        targets = Mixed(mixed.images, mixed.targets[:, None], mixed.partners[:, None], mixed.share)
        expected = mixed.share * by_hand(LOGITS, LABELS) + (1 - mixed.share) * by_hand(LOGITS, mixed.partners)
        found = objective.mixed({"diagnosis": LOGITS}, targets)
        assert found.item() == pytest.approx(expected.mean(), abs=1e-6)

    def test_the_same_generator_gives_the_same_blend(self) -> None:
        images = torch.randn(4, 3, 2, 2)
        one, other = (mix(images, LABELS, 0.4, np.random.default_rng([1, 2])) for _ in range(2))
        assert torch.equal(one.images, other.images)
        assert one.share == other.share

    def test_the_share_follows_the_beta_distribution(self) -> None:
        shares = [
            mix(torch.zeros(1, 1, 1, 1), LABELS[:1], 0.4, np.random.default_rng(n)).share for n in range(3000)
        ]
        assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
        assert np.var(shares) == pytest.approx(0.25 / 1.8, abs=0.01)  # of Beta(a, a): 1 / (4 (2a + 1))


def test_class_counts() -> None:
    counts = class_counts(np.array([0, 2, 2, -1, 0, 0]), 4)
    assert counts.tolist() == [3, 0, 2, 0]
    assert counts.dtype == np.float64


def test_sampling_weights_make_the_classes_equal() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2])
    weights = sampling_weights(labels, 3, TrainSection(balance="sampling"))
    assert weights is not None
    for k in range(3):
        assert weights[labels == k].sum() == pytest.approx(1)
    for balance in ("none", "weights", "logits"):
        assert sampling_weights(labels, 3, TrainSection(balance=balance)) is None
