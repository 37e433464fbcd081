"""The examples as people start them by hand: what cannot work is one sentence, and a pause is told."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import rebalancer.pauses
import triage.pauses

from tests.resilience.house import EXAMPLES
from watchfloor.models import Stop

SAMPLE = str(EXAMPLES / "triage/sample.jsonl")


@pytest.mark.parametrize(
    ("agent", "words", "sentence"),
    [
        ("triage", ["--input", SAMPLE, "--store", "{}/desk"], "or set WATCHFLOOR_URL"),
        ("triage", ["--input", SAMPLE, "--store", "/proc/desk/x"], "No such file or directory: "),
        ("rebalancer", ["--store", "{}/broker"], "or set WATCHFLOOR_URL"),
        ("rebalancer", ["--store", "/proc/broker"], "unable to open database file"),
    ],
)
def test_what_is_missing_is_one_sentence(
    agent: str, words: list[str], sentence: str, tmp_path: Path
) -> None:
    ours = ("WATCHFLOOR_URL", "WATCHFLOOR_API_KEY")
    ended = subprocess.run(
        [sys.executable, "-m", agent, *(word.format(tmp_path) for word in words)],
        cwd=EXAMPLES,
        env={key: value for key, value in os.environ.items() if key not in ours},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{agent}: ")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("triage", ["--workers", "0"]),
        ("triage", ["--limit", "-1"]),
        ("triage", ["--pace", "-1"]),
        ("triage", ["--pace", "nan"]),
        ("triage", ["--refund-over", "nan"]),
        ("triage", ["--input", "/nowhere.csv"]),
        ("rebalancer", ["--days", "0"]),
        ("rebalancer", ["--pace", "x"]),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(
    agent: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = ["--store", str(tmp_path / "x"), *(["--input", SAMPLE] if agent == "triage" else [])]

    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"{agent}.__main__").main([*usual, *words])

    assert end.value.code == 2
    assert f"argument {words[0]}: " in capsys.readouterr().err


@pytest.mark.parametrize("module", [triage.pauses, rebalancer.pauses])
def test_a_pause_is_told_once_and_so_is_its_end(
    module: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WATCHFLOOR_URL", "http://floor.example")
    caplog.set_level(logging.INFO)
    run = SimpleNamespace(name="Monday", stop=None)
    pauses = module.Pauses(run)  # type: ignore[attr-defined]

    for stop in (None, Stop("paused", "50 loops."), Stop("paused", "50 loops."), None, None):
        run.stop = stop
        pauses.look()

    assert caplog.messages == [
        "Paused (50 loops.): waits for a person at http://floor.example",
        "It goes on.",
    ]
