"""One answer from many images of a case: which image counts how much is learned (gated attention).

Ilse, Tomczak & Welling 2018, arXiv:1802.04712, equation 9. The features that attention weighs go into a linear head;
so the case's logits are the same mean of the images' own logits, and a case can be answered from its images' answers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

HIDDEN = 128
"""Width of the two gates; the paper's value."""


class GatedAttention(nn.Module):
    """Maps features N x `width` to one score each, N x 1; over a case they go through a softmax."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.content, self.gate = nn.Linear(width, HIDDEN), nn.Linear(width, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1, bias=False)  # a softmax undoes a constant

    def forward(self, features: Tensor) -> Tensor:
        """Return N x 1 scores, the larger the more the image counts."""
        kept = self.dropout(features)
        return self.score(torch.tanh(self.content(kept)) * torch.sigmoid(self.gate(kept)))


def bag_softmax(scores: Tensor, bags: Tensor, count: int) -> Tensor:
    """Return the softmax of N scores within each of `count` bags; bags: int64 N, every one of them occurs.

    >>> bag_softmax(torch.tensor([0.0, 0.0, 5.0]), torch.tensor([0, 0, 1]), 2)
    tensor([0.5000, 0.5000, 1.0000])
    """
    top = torch.full((count,), -torch.inf, dtype=scores.dtype, device=scores.device)
    top = top.scatter_reduce(0, bags, scores.detach(), "amax")
    powers = (scores - top[bags]).exp()
    sums = torch.zeros(count, dtype=scores.dtype, device=scores.device).index_add(0, bags, powers)
    return powers / sums[bags]


def pooled(logits: Tensor, scores: Tensor | None, bags: Tensor, count: int) -> Tensor:
    """Return the logits of `count` bags, B x K, as the weighted mean of their images' logits, N x K.

    scores: N, by attention; None: all images count alike.
    """
    even = torch.zeros(len(logits), dtype=logits.dtype, device=logits.device)
    weights = bag_softmax(even if scores is None else scores, bags, count)
    sums = torch.zeros(count, logits.shape[1], dtype=logits.dtype, device=logits.device)
    return sums.index_add(0, bags, weights[:, None] * logits)


def absorb(linear: nn.Linear, mean: Tensor, std: Tensor) -> None:
    """Make a layer that was trained on (x - mean) / std take x itself."""
    with torch.no_grad():
        linear.weight.div_(std)
        linear.bias.sub_(linear.weight @ mean)
