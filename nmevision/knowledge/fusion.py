"""One answer from two routes: the diagnosis head that learned from images, and the cited profiles.

For diagnoses with training images both routes are pooled, p proportional to learned^a * knowledge^b (a logarithmic
opinion pool: Genest & Zidek 1986, doi:10.1214/ss/1177013825); a and b are fitted on validation. A diagnosis without
training images is the profiles' alone to name: it keeps the share that they give it.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nmevision.knowledge.observations import Floats
from nmevision.schema import Record

LEAST = 1e-6
"""Probabilities are pooled as if at least this: no route can rule anything out alone."""
FEWEST = 20
"""With fewer validation images both routes count alike and at half weight."""


class Fusion(Record):
    """The weights of both routes."""

    learned: float = Field(ge=0, description="exponent of the learned probabilities")
    knowledge: float = Field(ge=0, description="exponent of the profiles' probabilities")
    images: int = Field(ge=0, description="validation images they were fitted on")

    @classmethod
    def fit(cls, learned: Floats, knowledge: Floats, truth: NDArray[np.int64]) -> Self:
        """Return the weights with the least cross-entropy on validation.

        learned, knowledge: N x K over the diagnoses with training images; truth: N positions among them.
        """
        if len(truth) < FEWEST or len(np.unique(truth)) < 2:
            return cls(learned=0.5, knowledge=0.5, images=len(truth))
        from scipy.optimize import minimize  # slow to load, and needed in training alone

        logs = np.log(np.maximum(np.stack([learned, knowledge]), LEAST))

        def loss(weights: Floats) -> float:
            pooled = np.tensordot(weights, logs, axes=1)
            top = pooled.max(axis=1, keepdims=True)
            total = top[:, 0] + np.log(np.exp(pooled - top).sum(axis=1))
            return float((total - pooled[np.arange(len(truth)), truth]).mean())

        found = minimize(loss, np.array([0.5, 0.5]), method="L-BFGS-B", bounds=[(0, 5), (0, 5)])
        return cls(learned=float(found.x[0]), knowledge=float(found.x[1]), images=len(truth))

    def together(self, learned: Floats, knowledge: Floats, has_images: NDArray[np.bool_]) -> Floats:
        """Return N x D fused probabilities, rows summing to 1.

        Args:
            learned: N x D; what it says of diagnoses without images is ignored.
            knowledge: N x D; 0 for diagnoses without a profile.
            has_images: D, which diagnoses have training images. Without any, the knowledge answers alone.
        """
        if not has_images.any():
            return knowledge
        described = knowledge.sum(axis=0) > 0
        weight = np.where(described, self.knowledge, 0.0)
        logs = self.learned * np.log(np.maximum(learned, LEAST)) + weight * np.log(
            np.maximum(knowledge, LEAST)
        )
        pooled = np.where(has_images, np.exp(logs - logs[:, has_images].max(axis=1, keepdims=True)), 0.0)
        alone = np.where(has_images, 0.0, knowledge)
        share = alone.sum(axis=1, keepdims=True)
        return alone + (1 - share) * pooled / pooled.sum(axis=1, keepdims=True)
