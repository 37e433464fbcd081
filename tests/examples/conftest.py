"""The examples live outside the project's import path; their tests bring them in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "sdk" / "examples"))


@pytest.fixture
def banking77() -> Path:
    """3,080 real customer messages. They lie beside the repository and are not part of it."""
    shared = Path(os.environ.get("WATCHFLOOR_SHARED", PROJECT.parent / "shared"))
    path = shared / "data" / "banking77.csv"
    assert path.exists(), f"{path} is missing: set WATCHFLOOR_SHARED to the folder that holds data/"
    return path
