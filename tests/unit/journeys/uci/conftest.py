"""A table with known truth: four diseases drawn from their own texts, so that each text is right."""

from __future__ import annotations

import numpy as np
import pytest

from nmevision.journeys.uci.study import TAG_KEYS, Study, Text

PROFILES = np.array(
    [
        [3, 3, 0, 0, 0, 0, 1, 0],
        [0, 0, 3, 3, 0, 0, 1, 0],
        [0, 0, 0, 0, 3, 3, 1, 0],
        [2, 0, 2, 0, 2, 0, 1, 3],
    ]
)
MIMICS = np.array([[0, 3, 0, 3, 0, 3, 1, 0], [1, 1, 1, 1, 1, 1, 1, 1]])


def text_of(grades: np.ndarray) -> Text:
    tags = np.broadcast_to(np.arange(grades.shape[1]) % len(TAG_KEYS), grades.shape)
    return Text(np.asarray(grades, dtype=np.intp), tags)


@pytest.fixture(scope="session")
def known_truth() -> Study:
    """Return 4 x 25 patients who show what their text says, up to a spread of 0.7."""
    generator = np.random.default_rng(7)
    disease = np.repeat(np.arange(4), 25)
    latent = PROFILES[disease] + generator.normal(scale=0.7, size=(100, 8))
    return Study(
        findings=tuple(f"finding_{j}" for j in range(8)),
        diseases=("a", "b", "c", "d"),
        grades=np.clip(np.rint(latent), 0, 3),
        disease=disease,
        text=text_of(PROFILES),
        mimics=text_of(MIMICS),
    )
