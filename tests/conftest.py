"""Shared fixtures: where the real images lie, and a skip with a reason where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_files import bad_folder  # noqa: F401 - a fixture

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real images used in development, or skip: it is not part of the product."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real images: {SHARED_DATA.name}/ is not beside this checkout")
    return SHARED_DATA
