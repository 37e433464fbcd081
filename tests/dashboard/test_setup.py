"""`bin/setup`, where uv has to be fetched and something stands in the way."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from dashboard.embedded.runtime import PROJECT


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout with nothing but `bin/setup`, on a machine whose Pythons and disk are made up."""
    for folder in ("bin", "programs"):
        (tmp_path / folder).mkdir()
    shutil.copy(PROJECT / "bin/setup", tmp_path / "bin/setup")
    program(tmp_path, "df", "printf 'Filesystem\\nx 9 9 9000000 1%% /\\n'")
    return tmp_path


def program(place: Path, name: str, script: str) -> None:
    file = place / "programs" / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def begin(place: Path) -> subprocess.Popen[str]:
    environment = {"PATH": f"{place}/programs:/usr/bin:/bin", "HOME": str(place)}
    return subprocess.Popen(
        ["bash", str(place / "bin/setup")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=hear_ctrl_c,
    )


def hear_ctrl_c() -> None:
    """What a shell began in the background ignores it, and hands that on; no shell may trap it then."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_why_uv_could_not_be_fetched_is_said(place: Path) -> None:
    for name in ("python3", "python"):
        program(place, name, "echo noise >&2; echo 'ERROR: certificate verify failed' >&2; exit 1")

    with begin(place) as setup:
        said, _ = setup.communicate(timeout=20)

    assert setup.returncode == 1
    assert "noise" not in said
    assert said.endswith(
        "Watchfloor needs uv, which could not be fetched (ERROR: certificate verify failed): "
        "install uv (docs.astral.sh/uv) and try again.\n"
    )


def test_a_full_disk_is_said_before_anything_is_fetched(place: Path) -> None:
    program(place, "df", "printf 'Filesystem\\nx 9 9 20480 1%% /\\n'")

    with begin(place) as setup:
        said, _ = setup.communicate(timeout=20)

    assert setup.returncode == 1
    assert said.startswith(f"Only 20 MB are free for {place}")
    assert said.count("\n") == 1


def test_an_end_asked_for_is_the_end(place: Path) -> None:
    swallow = "trap 'exit 1' INT; echo once >> called; while :; do sleep 0.05; done"
    for name in ("python3", "python"):
        program(place, name, swallow)

    with begin(place) as setup:
        while not (place / "called").exists():
            time.sleep(0.02)
        os.killpg(setup.pid, signal.SIGINT)
        try:
            setup.communicate(timeout=20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(setup.pid, signal.SIGKILL)

    assert setup.returncode == 130
    assert (place / "called").read_text() == "once\n"
