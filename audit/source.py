"""Where an act comes from: a page, a program, a command, the clock. Kept with every entry that is written meanwhile.

Doors say it once (`of`), whatever they call finds it (`current`): it travels in a context variable, also into
the threads that asgiref opens. Facts are the address as the server saw it, behind a proxy the one that uvicorn was
told to trust (`FORWARDED_ALLOW_IPS`), as for counting sign-in attempts. They are personal: they stand in the
payload, which can be erased.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

type Channel = Literal["page", "api", "agent", "command", "clock", "worker"]

LONGEST_PROGRAM = 200

_NOWHERE: dict[str, str] = {}
_current: ContextVar[dict[str, str]] = ContextVar("where an act comes from", default=_NOWHERE)


@contextmanager
def of(channel: Channel, *, address: str = "", program: str = "", via: str = "") -> Iterator[None]:
    """What happens inside comes from there."""
    token = _current.set(facts(channel, address=address, program=program, via=via))
    try:
        yield
    finally:
        _current.reset(token)


def enter(facts: dict[str, str]) -> None:
    """From now on, in this thread or task: for those who hear of beginnings and ends apart from each other."""
    _current.set(facts)


def facts(
    channel: Channel, *, address: str = "", program: str = "", via: str = ""
) -> dict[str, str]:
    """`{channel, address, program, via}` without what nobody knows. `program` may be anything a stranger sends."""
    said = program[:LONGEST_PROGRAM].encode("utf-8", "replace").decode().replace("\0", "")
    known = {"channel": channel, "address": address[:64], "program": said, "via": via}
    return {name: value for name, value in known.items() if value}


@contextmanager
def also(*, via: str) -> Iterator[None]:
    """Inside, it is known by which token it comes, too."""
    token = _current.set({**_current.get(), "via": via})
    try:
        yield
    finally:
        _current.reset(token)


def current() -> dict[str, str]:
    """The facts, empty where nobody said anything. Not to be changed."""
    return _current.get()


def text() -> str:
    """The same as JSON text, empty where there is nothing: for statements that take it as one parameter."""
    found = _current.get()
    return json.dumps(found, ensure_ascii=False) if found else ""
