"""What a child does all its life: take what is there, store it, answer, until nobody is left to ask."""

from __future__ import annotations

import select
import socket
import time
from collections import deque

from django.db import connection

from audit import bell
from audit.connections import has_hung_up

from .messages import READY, Answer, Frames, Request, framed
from .storing import store_next

GATHER_S = 0.003
"""How long a transaction waits for as many requests as the one before had: who was just answered may send more."""
AT_ONCE = 2**20


class Bell(bell.Hub):
    """Rings at the web process, together with the next answers: nobody's answer waits for Redis."""

    def __init__(self) -> None:
        super().__init__()
        self.rung: dict[str, None] = {}

    def ring_from_thread(self, topics: tuple[str, ...]) -> bool:
        self.rung.update(dict.fromkeys(topics))
        return True

    def taken(self) -> tuple[str, ...]:
        """What was rung since, each once."""
        topics = tuple(self.rung)
        self.rung.clear()
        return topics


class Work:
    """One thread, one connection to the database, which is kept open."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._looking = select.poll()
        self._looking.register(line, select.POLLIN)
        self._frames = Frames(Request)
        self._waiting: deque[Request] = deque()
        self._last = 0
        self._is_over = False
        self._bell = bell.hub = Bell()

    def run(self) -> None:
        self._tell([Answer(READY)])
        while self._gather():
            let_go_if_hung_up()
            answers = store_next(self._waiting)
            answers[0].rung = self._bell.taken()
            self._last = len(answers)
            self._tell(answers)

    def _gather(self) -> bool:
        """All that is there, at least one; False when there will be none."""
        while not self._waiting and not self._is_over:
            self._hear(None)
        end = time.monotonic() + GATHER_S
        while len(self._waiting) < self._last and (left := end - time.monotonic()) > 0:
            if not self._hear(left):
                break
        while self._hear(0):
            pass
        return bool(self._waiting)

    def _hear(self, within: float | None) -> bool:
        """Read once, within so many seconds; whether there was something."""
        if self._is_over:
            return False
        if within is not None and not self._looking.poll(within * 1000):
            return False
        piece = self._line.recv(AT_ONCE)
        self._is_over = not piece
        self._waiting.extend(self._frames.feed(piece))
        return bool(piece)

    def _tell(self, answers: list[Answer]) -> None:
        self._line.sendall(b"".join(map(framed, answers)))


def let_go_if_hung_up() -> None:
    held = connection.connection
    if held is not None and (held.closed or has_hung_up(held.fileno())):
        connection.close()
