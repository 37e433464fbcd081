"""Waiting while paused, stopping when terminated, and what people want changed."""

from __future__ import annotations

import json
import random
import time
from typing import TypeVar

from watchfloor import protocol
from watchfloor.core import Core, ask, logger
from watchfloor.effects import Flow, Listen, Sleep
from watchfloor.errors import ApiError, Terminated, Unreachable
from watchfloor.flows.opening import opened
from watchfloor.models import Control, Directive, read
from watchfloor.protocol import LONG_POLL, Lost, Request
from watchfloor.state import RunState

T = TypeVar("T")

WATCH_AFTER = 0.25
"""Seconds until a run is worth a connection of its own; shorter runs hear with every answer."""

GIVE_UP_STREAMS_AFTER = 2
"""Streams without a single event (a proxy keeps them back) until long polls take over for good."""


def check(core: Core, run: RunState, *, block: bool) -> Flow[list[Directive]]:
    """Wait while paused, then what is new. Raises Terminated, RunFinished, Paused, Unreachable."""
    run_id = yield from opened(core, run)
    if not run.is_live:
        run.heard((yield from ask(core, protocol.control(run_id), until=run.cancelled)))
    run.obey(block=block)
    yield from unpaused(core, run)
    return run.take_directives()


def unpaused(core: Core, run: RunState) -> Flow[None]:
    """Return when the run may act. Raises Terminated or RunFinished."""
    run.obey()
    while run.stop is not None and run.id is not None:
        request = protocol.control(run.id, seen=run.control.version, wait=LONG_POLL)
        run.heard((yield from patiently(core, run, request)))
        run.obey()


def patiently(core: Core, run: RunState, request: Request[T]) -> Flow[T]:
    """Ask for what is waited for anyway: an outage only makes it wait longer.

    Raises Terminated when that is heard on another way meanwhile.
    """
    while True:
        run.obey()
        try:
            return (yield from ask(core, request, patience=LONG_POLL, until=run.cancelled))
        except Unreachable as error:
            logger.warning("%s; still waiting", error)


def ack(core: Core, run: RunState, ids: list[str]) -> Flow[None]:
    """Tell that these directives now stand in durable state."""
    if ids:
        run_id = yield from opened(core, run)
        yield from ask(core, protocol.ack(run_id, ids))


def heartbeat(core: Core, run: RunState) -> Flow[None]:
    """Say once that the run is alive. Never raises: what cannot be said now is said next time."""
    if run.id is None or run.is_over:
        return
    try:
        run.heard((yield from ask(core, protocol.heartbeat(run.id), patience=0.0)))
    except (ApiError, Terminated, Unreachable) as error:
        logger.debug("no heartbeat of run %s: %s", run.id, error)


def beating(core: Core) -> Flow[None]:
    """Say for every open run that it is alive, each as often as it wants, until the client is closed."""
    due: dict[RunState, float] = {}
    while not core.closed.is_rung():
        core.heart.clear()
        now = time.monotonic()
        due = {run: due.get(run, now + run.heartbeat) for run in tuple(core.open_runs)}
        for run in [run for run, at in due.items() if at <= now]:
            due[run] = now + run.heartbeat
            yield from heartbeat(core, run)
        soonest = min(due.values(), default=now + 3600.0)
        yield Sleep(max(0.0, soonest - time.monotonic()), core.heart)


def watching(core: Core, run: RunState) -> Flow[None]:
    """Hear of every change while the run lives: a stream, or long polls where streams do not work."""
    yield Sleep(WATCH_AFTER, run.closed)
    failures = silent_streams = 0
    while not (run.closed.is_rung() or run.is_over):
        if run.id is None:
            yield Sleep(1.0, run.closed)
            continue
        try:
            if silent_streams < GIVE_UP_STREAMS_AFTER:
                silent_streams += 1
                yield from _listen(run, run.id)
                silent_streams = 0 if run.is_live else silent_streams
            else:
                yield from _poll(core, run, run.id)
            failures = 0
        except (Lost, Unreachable):
            silent_streams = 0 if run.is_live else silent_streams
            failures += 1
        except (ApiError, Terminated) as error:
            if isinstance(error, Terminated) or error.status in (401, 404, 409):
                logger.warning("run %s is not watched any more: %s", run.id, error)
                return
            failures += 1
        finally:
            run.is_live = False
        yield Sleep(_pause(failures), run.closed)


def _listen(run: RunState, run_id: str) -> Flow[None]:
    def heard(event: str, data: str) -> None:
        if event == "control":
            run.heard(read(Control, json.loads(data)))
            run.is_live = True
        if run.is_over:
            run.closed.ring()

    yield Listen(protocol.stream(run_id), heard, run.closed)


def _poll(core: Core, run: RunState, run_id: str) -> Flow[None]:
    request = protocol.control(run_id, seen=run.control.version, wait=LONG_POLL)
    run.heard((yield from ask(core, request, patience=0.0, until=run.closed)))


def _pause(failures: int) -> float:
    """Seconds before the next try: none after success, then doubling up to 5, half of it jitter."""
    most = min(5.0, 0.2 * 2.0 ** min(failures, 10)) if failures else 0.0
    return most * (0.5 + random.random() / 2)
