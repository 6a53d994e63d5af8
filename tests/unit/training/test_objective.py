"""The two losses together: CORN against its definition, masks that hide what is unknown, sums that add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nmevision.config import TrainSection
from nmevision.networks.tasks import DIAGNOSIS, FINDINGS
from nmevision.training.objective import Objective, ordinal_losses

OUTPUTS = {
    DIAGNOSIS: torch.tensor([[2.0, 0.0], [0.5, 1.5], [0.0, 0.3]]),
    FINDINGS: torch.tensor(
        [
            [1.0, -1.0, 0.5, 0.2, 0.1, -0.3],
            [-2.0, 0.4, 0.0, 1.0, 1.0, 1.0],
            [0.3, 0.3, 0.3, -1.0, 0.0, 2.0],
        ]
    ),
}
TARGETS = torch.tensor([[0, 0, 3], [-1, 2, -1], [1, -1, 1]])


def corn(logits: list[float], grade: int) -> float:
    """Cross-entropy of each step that the grade reaches."""
    total = 0.0
    for k in range(3):
        if grade >= k:
            p = 1 / (1 + math.exp(-logits[k]))
            total -= math.log(p if grade > k else 1 - p)
    return total


def objective(**settings: float) -> Objective:
    return Objective(np.array([3.0, 2.0]), 2, TrainSection.model_validate({"balance": "none", **settings}))


def test_the_ordinal_loss_follows_its_definition() -> None:
    found = ordinal_losses(OUTPUTS[FINDINGS], TARGETS[:, 1:])
    for i in range(3):
        for j in range(2):
            grade = int(TARGETS[i, 1 + j])
            steps = OUTPUTS[FINDINGS][i, 3 * j : 3 * j + 3].tolist()
            expected = 0.0 if grade < 0 else corn(steps, grade)
            assert found[i, j].item() == pytest.approx(expected, abs=1e-6)


def test_the_whole_is_the_weighted_sum_of_both() -> None:
    parts = objective(finding_weight=0.0)(OUTPUTS, TARGETS), objective(diagnosis_weight=0.0)(OUTPUTS, TARGETS)
    grades = ordinal_losses(OUTPUTS[FINDINGS], TARGETS[:, 1:]).sum() / 4  # four are known
    assert parts[1].item() == pytest.approx(grades.item(), abs=1e-6)
    whole = objective(diagnosis_weight=2.0, finding_weight=0.5)(OUTPUTS, TARGETS)
    assert whole.item() == pytest.approx(2 * parts[0].item() + 0.5 * parts[1].item(), abs=1e-6)


def test_what_is_unknown_gets_no_gradient() -> None:
    outputs = {task: values.clone().requires_grad_() for task, values in OUTPUTS.items()}
    objective()(outputs, TARGETS).backward()
    assert not outputs[DIAGNOSIS].grad[1].any()  # type: ignore[index]
    assert not outputs[FINDINGS].grad[1, 3:].any()  # type: ignore[index]
    assert outputs[FINDINGS].grad[1, :3].any()  # type: ignore[index]


def test_a_batch_with_nothing_known_teaches_nothing_and_breaks_nothing() -> None:
    outputs = {task: values.clone().requires_grad_() for task, values in OUTPUTS.items()}
    loss = objective()(outputs, torch.full((3, 3), -1))
    loss.backward()
    assert loss.item() == 0
    assert not outputs[FINDINGS].grad.any()  # type: ignore[union-attr]


def test_validation_sums_over_batches_are_the_whole() -> None:
    judge = objective(finding_weight=0.7)
    whole = judge.validation(OUTPUTS, TARGETS)
    rows = [
        judge.validation({task: values[i : i + 1] for task, values in OUTPUTS.items()}, TARGETS[i : i + 1])
        for i in range(3)
    ]
    for name in ("diagnosis", "diagnosis_weight", "findings", "grades"):
        assert sum(getattr(row, name).item() for row in rows) == pytest.approx(
            getattr(whole, name).item(), abs=1e-6
        )
    expected = whole.diagnosis / 2 + 0.7 * whole.findings / 4
    assert judge.together(whole).item() == pytest.approx(expected.item(), abs=1e-6)
