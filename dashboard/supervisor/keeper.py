"""The loop that keeps programs running, passes on what they say, and stops them in reverse order."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import IO, cast

from dashboard.embedded.process import CannotStart

from .child import MOST_DEATHS, Command, Watched, how_it_ended

_LAST_WORDS = 12.0
"""Seconds a program has to end after it was asked to: longer than the web server's own five."""


class Stopped(Exception):
    """Somebody asked for the end: Ctrl-C, or a signal."""


class Keeper:
    """Has one thread only: a child dies with the *thread* that started it, and forking is safe."""

    def __init__(self) -> None:
        self.stages: list[list[Watched]] = []
        self.is_open = False
        """Until then an error is not worth a second try: it stands in the way of opening."""
        self._selector = selectors.DefaultSelector()
        self._said: dict[int, tuple[str, bytearray]] = {}
        self._stopping = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def say(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:  # whoever read us is gone: end in order, and silently
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._stopping = True

    def keep(self, *programs: Watched) -> None:
        """Start these, and keep them running; they are one stage, which is stopped together."""
        stage: list[Watched] = []
        self.stages.append(stage)
        for watched in programs:
            stage.append(watched)
            self._start(watched)

    def run(self, command: Command) -> tuple[int, str]:
        """Run a command to its end while the others are watched; its exit code and what it wrote."""
        job = replace(command)
        watched = Watched(job)
        job.start()
        assert job.process
        assert job.process.stdout
        os.set_blocking(job.process.stdout.fileno(), False)
        written = bytearray()
        try:
            while job.process.poll() is None:
                written += job.process.stdout.read() or b""
                self.turn(0.02)
        except BaseException:
            watched.bury()
            raise
        written += job.process.stdout.read() or b""
        job.process.stdout.close()
        return job.process.returncode, written.decode(errors="replace").strip()

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Stay until `until` holds. Raises `Stopped` when asked to end, `CannotStart` when it cannot go on."""
        while not until():
            self.turn(0.2)

    def turn(self, seconds: float) -> None:
        """One look at everything."""
        self._listen(seconds)
        if self._stopping:
            raise Stopped
        now = time.monotonic()
        for watched in [watched for stage in self.stages for watched in stage]:
            if watched.due is not None:
                if watched.due <= now:
                    watched.due = None
                    self._start(watched)
            elif not watched.is_alive:
                self._mourn(watched, now)

    def stop(self) -> None:
        """Stop everything, the last started stage first."""
        self._stopping = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while self.stages:
            stage = self.stages.pop()
            for watched in reversed(stage):
                watched.program.stop()
            end = time.monotonic() + _LAST_WORDS
            while any(watched.is_alive for watched in stage) and time.monotonic() < end:
                self._listen(0.02)
            for watched in stage:
                watched.bury()
        self._listen(0)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _start(self, watched: Watched) -> None:
        try:
            watched.program.start()
        except CannotStart:
            if not watched.deaths:
                raise
            self._mourn(watched, time.monotonic())  # it was restarted, and may manage next time
            return
        except OSError as error:
            raise CannotStart(f"Cannot start {watched.name}: {error}.") from error
        process = watched.program.process
        if process is not None and process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, watched.name)
            self._said[process.stdout.fileno()] = (watched.name, bytearray())

    def _mourn(self, watched: Watched, now: float) -> None:
        process = watched.program.process
        code = process.returncode if process else 1
        watched.bury()
        self._listen(0)
        if code == 0 and watched.may_finish:
            self._let_go(watched)
        elif code > 0 and not self.is_open:
            raise CannotStart(f"{watched.name} {how_it_ended(code)} while starting.")
        elif watched.died(now):
            self.say(f"{watched.name} {how_it_ended(code)}: starting it again.")
        elif watched.essential:
            raise CannotStart(
                f"{watched.name} ended more than {MOST_DEATHS} times in a minute: stopping everything."
            )
        else:
            self.say(f"{watched.name} ended more than {MOST_DEATHS} times in a minute: leaving it.")
            self._let_go(watched)

    def _let_go(self, watched: Watched) -> None:
        for stage in self.stages:
            if watched in stage:
                stage.remove(watched)

    def _listen(self, seconds: float) -> None:
        if not self._selector.get_map():
            time.sleep(seconds)
            return
        for key, _ in self._selector.select(seconds):
            name, begun = self._said[key.fd]
            heard = os.read(key.fd, 65536)
            begun += heard
            *lines, rest = bytes(begun).split(b"\n")
            if not heard:
                self._selector.unregister(key.fileobj)
                del self._said[key.fd]
                cast("IO[bytes]", key.fileobj).close()
                lines, rest = ([*lines, rest] if rest else lines), b""
            begun[:] = rest
            for line in filter(None, lines):
                self.say(f"{name:<14}| {line.decode(errors='replace')}")
