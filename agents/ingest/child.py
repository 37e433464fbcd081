"""A process that stores for this one: this end of the line to it. What runs at the other is `__main__.py`."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import cast

from django.conf import settings

from audit import bell

from .messages import READY, Answer, Frames, Request, framed
from .place import Place

PATIENCE_S = 10.0
"""How long a process may take to go once its line is closed."""
ON_THE_LINE = 4 * 2**20
"""Bytes, as far as the system allows: a child that looks finds all that waits."""


class Child(Place, asyncio.Protocol):
    def __init__(self, came: Callable[[], None]) -> None:
        super().__init__()
        self.is_ready = False
        self._came = came
        self._frames = Frames(Answer)
        self._process: subprocess.Popen[bytes] | None = None
        self._line: asyncio.Transport | None = None
        self._hung_up = asyncio.Event()
        self._unsent: list[bytes] = []

    async def live(self) -> int:
        """Its whole life; how it ended. Raises OSError when it cannot be started."""
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ON_THE_LINE)
        with ours, theirs:
            self._process = started(theirs)
            line = ours.dup()
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=line)
        await self._hung_up.wait()
        return await asyncio.to_thread(bury, self._process)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def take(self, request: Request) -> None:
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent.append(framed(request))

    def _send(self) -> None:
        """What came in this turn of the event loop, in one write: each of them would wake the child."""
        unsent, self._unsent = self._unsent, []
        if unsent and self._line is not None and not self._line.is_closing():
            self._line.write(b"".join(unsent))

    def end(self) -> None:
        """Let it answer what it was sent, and go."""
        self.is_ready = False
        if self._line is None:
            self.kill()
        elif not self._line.is_closing():
            self._send()
            self._line.write_eof()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for answer in self._frames.feed(data):
            if answer.rung:
                ring(answer.rung)
            if answer.id == READY:
                self.is_ready = True
                self._came()
            else:
                self.told(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_ready = False
        self._hung_up.set()
        self.lose()


def started(line: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "agents.ingest", str(line.fileno())],
        pass_fds=[line.fileno()],
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
    )


def ring(topics: tuple[str, ...]) -> None:
    """At once where an agent may wait; pages hear of many transactions at a time."""
    if any(topic.startswith(bell.AGENTS) for topic in topics):
        bell.hub.ring_now(*topics)
    else:
        bell.hub.ring_soon(*topics)


def bury(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
