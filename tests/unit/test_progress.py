"""The bar is silent where nobody watches, and where there is no stderr at all."""

from __future__ import annotations

import io
import sys

import pytest

from nmevision.progress import progress_bar


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_nobody_watches(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar("predicting", 3) as step:
        step(2)
    assert stream is None or stream.getvalue() == ""


def test_a_terminal_sees_how_many_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar("predicting", 3) as step:
        step(2)
    assert "predicting" in stream.getvalue()
    assert "2/3" in stream.getvalue()
