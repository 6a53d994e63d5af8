"""The four functions against SciPy's, over all that a network or a profile can hand them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nmevision import special

NUMBERS = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.floats(-1e4, 1e4))


@pytest.mark.parametrize("name", ["expit", "ndtr"])
@given(x=NUMBERS)
def test_by_element(name: str, x: np.ndarray) -> None:
    expected = getattr(scipy.special, name)(x)
    np.testing.assert_allclose(getattr(special, name)(x), expected, rtol=1e-12, atol=1e-300)


@given(x=NUMBERS, axis=st.sampled_from([0, 1, -1]))
def test_along_an_axis(x: np.ndarray, axis: int) -> None:
    np.testing.assert_allclose(special.softmax(x, axis), scipy.special.softmax(x, axis), rtol=1e-12)
    for keep in (False, True):
        expected = scipy.special.logsumexp(x, axis=axis, keepdims=keep)
        np.testing.assert_allclose(special.logsumexp(x, axis, keep), expected, rtol=1e-12, atol=1e-12)


def test_what_cannot_be_stays_impossible() -> None:
    logs = np.array([[-np.inf, -np.inf], [-np.inf, 2.0]])
    np.testing.assert_array_equal(special.logsumexp(logs, axis=1), [-np.inf, 2.0])
