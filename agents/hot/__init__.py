"""The hot doors: propose, claim, settle, wait, stream, spans, as one small ASGI app beside Django.

Django's request handling would cost three quarters of the throughput and a thread per waiting agent.
These doors settle what needs no person; the moment one is needed they roll back, step aside and call
the ordinary verb.
"""

from . import aap, door, otlp, pool
from .http import Receive, Scope, Send
from .pool import startup

__all__ = ["app", "matches", "shutdown", "startup"]


def matches(scope: Scope) -> bool:
    """Whether this request is for the hot doors."""
    return door.matches(scope) or otlp.matches(scope) or aap.matches(scope)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    found = next(one for one in (door, otlp, aap) if one.matches(scope))
    await found.app(scope, receive, send)


async def shutdown() -> None:
    """Finish what came in, then let go of the database."""
    await otlp.shutdown()
    await pool.shutdown()
