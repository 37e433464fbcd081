"""A program that is kept running: how it starts, how it ends, and when it is started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dashboard.embedded.process import die_with_parent

MOST_DEATHS = 5
WITHIN = 60.0
_PATIENCE = (0.2, 1.0, 2.0, 4.0, 8.0)
"""Seconds before the first, second, … restart within a minute."""


class Program(Protocol):
    """What the supervisor can keep running: a command, or an embedded server."""

    @property
    def name(self) -> str: ...
    @property
    def process(self) -> subprocess.Popen[bytes] | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Command:
    """A program given by its command line. Its output goes to a pipe, for the supervisor to pass on."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    sockets: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.arguments,
            env=dict(self.environment),
            cwd=self.folder,
            pass_fds=self.sockets,
            preexec_fn=die_with_parent(signal.SIGTERM),
            start_new_session=True,  # the terminal's Ctrl-C reaches the supervisor only
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def stop(self) -> None:
        """Ask it to end; `bury` when it does not."""
        if self.process and self.process.poll() is None:
            self.process.terminate()


@dataclass
class Watched:
    """A program and its deaths."""

    program: Program
    essential: bool = True
    """Without it there is no floor: dying too often stops everything. Otherwise only itself is given up."""
    may_finish: bool = False
    """Ending without an error is its right."""
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_DEATHS + 1))
    due: float | None = None
    """When it is to be started again."""

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def is_alive(self) -> bool:
        return self.program.process is not None and self.program.process.poll() is None

    def died(self, now: float) -> bool:
        """Note a death and plan the restart. False when it died too often to try again."""
        self.deaths.append(now)
        recent = [at for at in self.deaths if now - at < WITHIN]
        if len(recent) > MOST_DEATHS:
            return False
        self.due = now + _PATIENCE[len(recent) - 1]
        return True

    def bury(self) -> None:
        """End what is left of it: the program, and what it started."""
        process = self.program.process
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def how_it_ended(code: int) -> str:
    """
    >>> how_it_ended(-9), how_it_ended(3)
    ('was killed (SIGKILL)', 'ended with code 3')
    """
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was killed ({signal.Signals(-code).name})"
    except ValueError:
        return f"was killed (signal {-code})"
