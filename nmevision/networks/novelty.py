"""How unlike the training images an image is, judged by the network's own features.

A Gaussian with a few free directions and even noise in all others (probabilistic PCA: Tipping & Bishop 1999,
doi:10.1111/1467-9868.00196) is fitted to the features of training images. The squared distance of an image from
it is compared with those of the validation images, which the network has not learned from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from nmevision.errors import BundleError

Floats = NDArray[np.float64]
Array32 = NDArray[np.float32]

DIRECTIONS = 32
"""Most directions with a variance of their own."""
MARGIN = 1.25
"""An image counts as unlike all others only this far beyond the most unusual validation image. Our choice."""
IMAGES_PER_DIRECTION = 5
"""Fewer images for each would make chance directions look typical."""


@dataclass(frozen=True)
class FeatureNovelty:
    """What is usual: fitted by `fit`, stored as arrays in the bundle."""

    mean: Array32
    """D, the middle of the training features."""
    directions: Array32
    """K x D orthonormal."""
    deviations: Array32
    """K standard deviations along them, then one of all other directions, each > 0."""
    usual: Array32
    """The sorted distances of the validation images."""

    def distance(self, features: NDArray[np.floating]) -> Floats:
        """Return N squared distances, each per dimension (about 1 for training images), of N x D features."""
        centred = np.asarray(features, np.float64) - self.mean
        along = centred @ self.directions.T.astype(np.float64)
        rest = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        scaled = ((along / self.deviations[:-1]) ** 2).sum(axis=1) + rest / float(self.deviations[-1]) ** 2
        return np.asarray(scaled / centred.shape[1])

    def score(self, features: NDArray[np.floating]) -> Floats:
        """Return N shares, 0 to 1, of the validation images that are less unusual; 1: far beyond all of them."""
        n, distance = len(self.usual), self.distance(features).astype(np.float32)
        share = np.searchsorted(self.usual, distance) / n
        return np.where((share == 1) & (distance <= MARGIN * self.usual[-1]), 1 - 0.5 / n, share)

    def arrays(self) -> dict[str, Array32]:
        """Return what `from_arrays` reads back."""
        return asdict(self)

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array32]) -> FeatureNovelty:
        """Return the value again; raise BundleError where arrays are missing or do not fit together."""
        try:
            found = cls(**arrays)
            fits = found.directions.shape == (len(found.deviations) - 1, len(found.mean)) and len(found.usual)
        except (TypeError, ValueError) as problem:
            raise BundleError(f"the novelty file does not hold what it should: {problem}") from None
        if not fits:
            raise BundleError("the novelty file's arrays do not fit together; copy the whole bundle again")
        return found


def fit(training: NDArray[np.floating], validation: NDArray[np.floating]) -> FeatureNovelty:
    """Return what is usual in M x D training features, with N x D validation features (N >= 1) to compare."""
    x = np.asarray(training, np.float64)
    mean = x.mean(axis=0)
    k = max(1, min(DIRECTIONS, len(x) // IMAGES_PER_DIRECTION, x.shape[1] - 1))
    _, singular, rows = np.linalg.svd(x - mean, full_matrices=False)
    variances = singular**2 / max(len(x) - 1, 1)
    k = min(k, len(variances))
    rest = variances[k:].sum() / max(x.shape[1] - k, 1)
    floor = max(1e-12, 1e-6 * float(variances[:1].sum()))
    deviations = np.sqrt(np.maximum([*variances[:k], rest], floor))
    half = [array.astype(np.float32) for array in (mean, rows[:k], deviations)]
    empty = FeatureNovelty(half[0], half[1], half[2], np.zeros(1, np.float32))
    usual = np.sort(empty.distance(validation).astype(np.float32))
    return FeatureNovelty(half[0], half[1], half[2], usual)
