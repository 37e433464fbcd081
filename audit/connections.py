"""Connections that nobody uses for a while: whoever takes one up again looks first whether it is still one."""

from __future__ import annotations

import select


def has_hung_up(socket: int) -> bool:
    """Whether the server has gone from an idle connection: it says so, and nothing else is there to be read.

    Without asking it, which would cost a trip.
    """
    looking = select.poll()
    looking.register(socket, select.POLLIN)
    return bool(looking.poll(0))
