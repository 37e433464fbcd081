"""A floor of real processes for each test, and the data they work on."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.embedded.runtime import PROJECT

from .house import House


@pytest.fixture
def house() -> Iterator[House]:
    """Database, Valkey, web server, worker and beat, all of them to be killed at will."""
    folder = Path(tempfile.mkdtemp(prefix="watchfloor-house-"))
    folder.chmod(0o711)  # root's PostgreSQL account walks through it
    house = House(folder)
    try:
        house.open()
        yield house
    finally:
        house.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def banking77() -> Path:
    """3,080 real customer messages. They lie beside the repository and are not part of it."""
    shared = Path(os.environ.get("WATCHFLOOR_SHARED", PROJECT.parent / "shared"))
    path = shared / "data" / "banking77.csv"
    assert path.exists(), f"{path} is missing: set WATCHFLOOR_SHARED to the folder that holds data/"
    return path
