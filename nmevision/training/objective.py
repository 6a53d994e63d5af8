"""What training minimises: the loss of the diagnosis and that of the finding grades, each where it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmevision.config import TrainSection
from nmevision.grades import STEPS, UNKNOWN
from nmevision.networks.tasks import DIAGNOSIS, FIELDS, FINDINGS
from nmevision.training.losses import BalancedCrossEntropy, Mixed

Outputs = dict[str, Tensor]
"""Task -> logits of a batch."""


def ordinal_losses(logits: Tensor, grades: Tensor) -> Tensor:
    """Return the CORN loss of every grade, N x J, 0 where it is unknown (arXiv:2111.08851).

    logits: float N x 3J, conditional on the grade being at least 0, 1, 2. grades: int64 N x J, -1 unknown.
    """
    steps = logits.float().unflatten(1, (-1, STEPS))
    levels = torch.arange(STEPS, device=grades.device)
    asked = (grades[..., None] >= levels) & (grades[..., None] != UNKNOWN)
    above = (grades[..., None] > levels).float()
    losses = F.binary_cross_entropy_with_logits(steps, above, reduction="none")
    return (losses * asked).sum(-1)


@dataclass(frozen=True)
class ValidationSums:
    """Sums over a validation batch that add up exactly over batches and processes."""

    diagnosis: Tensor
    diagnosis_weight: Tensor
    findings: Tensor  # with the fields
    grades: Tensor  # how many were known


class Objective(nn.Module):
    """The weighted sum of both losses; what is unknown of a sample counts in neither.

    counts: training images per diagnosis. findings: how many are graded. settings: the weights of the two
    and the diagnosis' balance.
    """

    def __init__(self, counts: np.ndarray, findings: int, settings: TrainSection) -> None:
        super().__init__()
        self.n_findings = findings
        self.diagnosis = BalancedCrossEntropy(counts, settings.balance, settings.label_smoothing)
        self.diagnosis_weight, self.finding_weight = settings.diagnosis_weight, settings.finding_weight

    def forward(self, outputs: Outputs, targets: Tensor) -> Tensor:
        """Return the training loss of a batch; targets are int64 N x (1 + J + F), -1 where unknown."""
        loss = self.diagnosis_weight * self.diagnosis(outputs[DIAGNOSIS], targets[:, 0])
        total, known = self._findings(outputs, targets)
        return loss + self.finding_weight * total / known.clamp(min=1)

    def _findings(self, outputs: Outputs, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the summed loss of grades and fields, and how many were known."""
        split = 1 + self.n_findings
        grades, fields = targets[:, 1:split], targets[:, split:]
        total = torch.zeros((), device=targets.device)
        if FINDINGS in outputs:
            total = total + ordinal_losses(outputs[FINDINGS], grades).sum()
        if FIELDS in outputs:
            wanted = (fields == 1).float()
            losses = F.binary_cross_entropy_with_logits(outputs[FIELDS].float(), wanted, reduction="none")
            total = total + (losses * (fields != UNKNOWN)).sum()
        return total, (targets[:, 1:] != UNKNOWN).sum()

    def mixed(self, outputs: Outputs, batch: Mixed) -> Tensor:
        """Return the loss of a blended batch (Zhang 2018, arXiv:1710.09412)."""
        own, other = self(outputs, batch.targets), self(outputs, batch.partners)
        return batch.share * own + (1 - batch.share) * other

    def validation(self, outputs: Outputs, targets: Tensor) -> ValidationSums:
        """Return the sums of a validation batch."""
        known = targets[:, 0] != UNKNOWN
        total, weight = self.diagnosis.validation(outputs[DIAGNOSIS][known], targets[known, 0])
        return ValidationSums(total, weight, *self._findings(outputs, targets))

    def together(self, sums: ValidationSums) -> Tensor:
        """Return the validation loss of summed batches."""
        diagnosis = (
            sums.diagnosis / sums.diagnosis_weight if sums.diagnosis_weight > 0 else 0 * sums.diagnosis
        )
        findings = sums.findings / sums.grades if sums.grades > 0 else 0 * sums.findings
        return self.diagnosis_weight * diagnosis + self.finding_weight * findings
