"""Programs that end, refuse and misbehave, under a real supervisor loop."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.embedded.process import CannotStart, command_line
from dashboard.supervisor import child
from dashboard.supervisor.child import Command, Watched, how_it_ended
from dashboard.supervisor.keeper import Keeper, Stopped

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    monkeypatch.setattr(child, "_PATIENCE", (0.0,) * 5)
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in signals}
    keeper = Keeper()
    keeper.is_open = True
    yield keeper
    keeper.stop()
    for number, handler in before.items():
        signal.signal(number, handler)


def program(name: str, code: str, tmp_path: Path) -> Command:
    return Command(name, [sys.executable, "-S", "-c", code], dict(os.environ), tmp_path)


def pid_of(watched: Watched) -> int:
    assert watched.program.process
    return watched.program.process.pid


def soon(keeper: Keeper, holds: object) -> None:
    assert callable(holds)
    end = time.monotonic() + 5
    keeper.watch(until=lambda: bool(holds()) or time.monotonic() > end)
    assert holds()


def test_a_killed_program_is_started_again_and_said_so(
    keeper: Keeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Watched(program("worker", SLEEPS, tmp_path))
    keeper.keep(worker)
    first = pid_of(worker)
    os.kill(first, signal.SIGKILL)

    soon(keeper, lambda: worker.is_alive and pid_of(worker) != first)

    assert "worker was killed (SIGKILL): starting it again." in capsys.readouterr().out


def test_a_program_that_keeps_dying_stops_everything(keeper: Keeper, tmp_path: Path) -> None:
    keeper.keep(Watched(program("web", "raise SystemExit(3)", tmp_path)))

    with pytest.raises(CannotStart, match="web ended more than 5 times in a minute"):
        keeper.watch()


def test_an_error_while_opening_is_not_tried_again(keeper: Keeper, tmp_path: Path) -> None:
    keeper.is_open = False
    keeper.keep(Watched(program("web", "raise SystemExit(3)", tmp_path)))

    with pytest.raises(CannotStart, match="web ended with code 3 while starting"):
        keeper.watch()


def test_an_agent_that_keeps_dying_is_left_alone(
    keeper: Keeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    web = Watched(program("web", SLEEPS, tmp_path))
    broken = program("triage", "raise SystemExit(3)", tmp_path)
    keeper.keep(web)
    keeper.keep(Watched(broken, essential=False, may_finish=True))

    soon(keeper, lambda: not keeper.stages[1])

    assert web.is_alive
    assert "triage ended more than 5 times in a minute: leaving it." in capsys.readouterr().out


def test_an_agent_may_finish(
    keeper: Keeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper.keep(Watched(program("triage", "print('all done')", tmp_path), may_finish=True))

    soon(keeper, lambda: not keeper.stages[0])

    assert capsys.readouterr().out == "triage        | all done\n"


def test_a_signal_stops_the_last_started_first(
    keeper: Keeper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    says_bye = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit()))\n"
        "print('up', flush=True); signal.pause()"
    )
    heard = ""
    for name in ("first", "second", "third"):
        keeper.keep(Watched(program(name, says_bye, tmp_path)))

    def all_are_up() -> bool:
        nonlocal heard
        heard += capsys.readouterr().out
        return heard.count("up") == 3

    soon(keeper, all_are_up)
    os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped):
        keeper.watch()
    keeper.stop()

    assert capsys.readouterr().out.split("\n")[:3] == [
        "third         | bye",
        "second        | bye",
        "first         | bye",
    ]


def test_what_a_program_started_ends_with_it(keeper: Keeper, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-S', '-c', {SLEEPS!r}])\n"
        f"open('pid', 'w').write(str(p.pid)); time.sleep(60)"
    )
    parent = Watched(program("web", code, tmp_path))
    keeper.keep(parent)
    soon(keeper, lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    os.kill(pid_of(parent), signal.SIGKILL)

    soon(keeper, lambda: len(parent.deaths) == 1)

    grandchild = int((tmp_path / "pid").read_text())
    soon(keeper, lambda: not command_line(grandchild))


def test_a_job_gives_its_output(keeper: Keeper, tmp_path: Path) -> None:
    assert keeper.run(program("job", "print('x' * 100_000)", tmp_path)) == (0, "x" * 100_000)
    assert keeper.run(program("job", "raise SystemExit(4)", tmp_path)) == (4, "")


def test_an_end_is_told_in_words() -> None:
    assert how_it_ended(2) == "ended with code 2"
    assert how_it_ended(-15) == "was killed (SIGTERM)"
