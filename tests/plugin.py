"""Has PostgreSQL and Valkey running before pytest-django reads the settings.

Every pytest has servers and a folder of its own, so that several can run in one tree. Workers of xdist inherit
their parent's, told apart by database name and by the first part of every name in Valkey.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from dashboard.embedded.postgres import APPLICATION
from dashboard.embedded.process import command_line
from dashboard.embedded.runtime import OWNER, Runtime

_PREFIX = "watchfloor-test-"
_TRUSTED = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_BEFORE = "BEFORE_TESTS_"
_started: list[tuple[Runtime, Path]] = []


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    # Playwright's sync API keeps an event loop in the main thread, where tests also use the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    os.environ["WATCHFLOOR_BELL"] = f"test-{worker or 'main'}"
    if worker is None:
        _start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Minutes-long tests first: at the end, one process would wait for the other."""
    items.sort(key=lambda item: "resilience" not in item.path.parts)


def pytest_unconfigure() -> None:
    while _started:
        runtime, folder = _started.pop()
        runtime.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _start() -> None:
    _clear_away()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    folder.chmod(0o711)  # root's PostgreSQL account walks through it
    os.environ["WATCHFLOOR_DATA"] = str(folder)
    _trust_nobody(folder / "trusted")
    runtime = Runtime(folder, fast=True)
    _started.append((runtime, folder))
    runtime.start()
    os.environ.update(runtime.addresses)
    # Tests create databases and empty tables, so they run as the owner. What runs Watchfloor is another
    # role, and migrating grants it what it needs in every test's database: some tests connect as it.
    os.environ["DATABASE_URL"] = os.environ.pop(OWNER)
    os.environ["WATCHFLOOR_APPLICATION_ROLE"] = APPLICATION


def _trust_nobody(folder: Path) -> None:
    """An HTTP client reads all authorities of the world when it is made, which takes longer than many a test does;
    here it speaks to this machine."""
    folder.mkdir()
    for name in _TRUSTED:
        if name in os.environ:
            os.environ[_BEFORE + name] = os.environ.pop(name)
    os.environ["SSL_CERT_DIR"] = str(folder)


def trusting() -> dict[str, str]:
    """The environment with the authorities that were trusted before: for what fetches, as `bin/dev` may."""
    kept = {name: value for name, value in os.environ.items() if name not in _TRUSTED}
    return kept | {name: kept.pop(_BEFORE + name) for name in _TRUSTED if _BEFORE + name in kept}


def _clear_away() -> None:
    """Remove what a killed pytest left behind; its servers died with it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not command_line(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
