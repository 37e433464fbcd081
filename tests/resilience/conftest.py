"""A floor of real processes for each test, and the data they work on."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dashboard.embedded.runtime import PROJECT

from .house import House


@contextmanager
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="watchfloor-house-"))
    folder.chmod(0o711)  # root's PostgreSQL account walks through it
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def furnished() -> Iterator[Path]:
    """Tables and demo, laid out once; every house begins as a copy."""
    with folder() as made:
        House.furnish(made)
        yield made


@pytest.fixture
def house(furnished: Path) -> Iterator[House]:
    """Database, Valkey, web server, worker and beat, all of them to be killed at will."""
    with folder() as copy:
        if (furnished / "postgres").is_symlink():  # out of its account's reach: kept elsewhere
            House.furnish(copy)
        else:  # with owners and modes, which Python's own copying leaves behind
            subprocess.run(["cp", "-a", f"{furnished}/.", copy], check=True)
        house = House(copy)
        try:
            house.open()
            yield house
        finally:
            house.close()


@pytest.fixture
def banking77() -> Path:
    """3,080 real customer messages. They lie beside the repository and are not part of it."""
    shared = Path(os.environ.get("WATCHFLOOR_SHARED", PROJECT.parent / "shared"))
    path = shared / "data" / "banking77.csv"
    assert path.exists(), f"{path} is missing: set WATCHFLOOR_SHARED to the folder that holds data/"
    return path
