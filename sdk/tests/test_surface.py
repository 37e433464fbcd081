"""What the package offers: every name, loaded when it is asked for, and nothing before."""

from __future__ import annotations

import subprocess
import sys

import pytest

import watchfloor


def test_every_name_is_there() -> None:
    assert sorted(watchfloor._HOME_OF) == sorted(watchfloor.__all__) == dir(watchfloor)
    for name in watchfloor.__all__:
        assert getattr(watchfloor, name).__name__ == name


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Cleint'"):
        watchfloor.Cleint  # noqa: B018


def test_verifying_needs_no_http_client() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import watchfloor.evidence.entries, sys; print('httpx' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "False\n"
