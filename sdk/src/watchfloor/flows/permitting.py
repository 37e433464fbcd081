"""Leave to use a shared resource: asked for, waited for, kept, given back."""

from __future__ import annotations

import math
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from watchfloor import protocol
from watchfloor.core import Core, ask, logger
from watchfloor.effects import Bell, Flow, Sleep
from watchfloor.errors import (
    ApiError,
    Conflict,
    NoPermit,
    Paused,
    Stopped,
    Unreachable,
    WatchfloorError,
)
from watchfloor.flows.control import patiently, unpaused
from watchfloor.flows.opening import opened
from watchfloor.models import Json, OnUnreachable, PermitInfo, parse_time
from watchfloor.protocol import LONG_POLL
from watchfloor.state import RunState

LONGEST_BOOKING = 600.0
"""Seconds ahead that the server books a slot; who waits longer asks again."""

MOST_JITTER = 0.1
AFTER_A_PAUSE = 0.5


@dataclass(frozen=True)
class Wanted:
    """What is asked for, and for how many seconds."""

    resource: str
    n: int = 1
    max_wait: float = 30.0
    lease: float | None = None
    on_unreachable: OnUnreachable | None = None

    def body(self, id: str, run_id: str | None, left: float) -> dict[str, Json]:
        return {
            "resource": self.resource,
            "n": self.n,
            "max_wait_s": min(left, LONGEST_BOOKING),
            "lease_s": None if self.lease is None else max(1, math.ceil(self.lease)),
            "id": id,
            "run_id": run_id,
        }


def permit(core: Core, run: RunState | None, wanted: Wanted) -> Flow[PermitInfo | None]:
    """Return when the resource may be used. None: the server is away, and the caller goes on without.

    Raises NoPermit after `max_wait`, Unreachable, Terminated, Paused (without a run), or ApiError
    (`no_such_limit`, `over_burst`).
    """
    while True:
        try:
            info = yield from _granted(core, run, wanted)
            yield from _until_its_slot(core, run, info)
        except Unreachable as away:
            if not core.may_go_on_without(wanted.on_unreachable):
                raise
            logger.warning("%s is used without a permit: %s", wanted.resource, away)
            return None
        except Conflict as refusal:
            if refusal.code != "paused":
                raise
            if run is None:
                raise Paused(refusal.detail) from refusal
        else:
            if run is None or run.stop is None:
                return info
            yield from give_back(core, info)
        assert run is not None
        yield from _unpaused(core, run)


def _granted(core: Core, run: RunState | None, wanted: Wanted) -> Flow[PermitInfo]:
    """Ask until it is granted, or cannot be within `max_wait` any more."""
    run_id = None if run is None else (yield from opened(core, run))
    hurry = core.hurry(core.may_go_on_without(wanted.on_unreachable))
    until = None if run is None else run.cancelled
    end = time.monotonic() + wanted.max_wait
    id = str(uuid.uuid4())
    while True:
        left = max(0.0, end - time.monotonic())
        request = protocol.permit(wanted.body(id, run_id, left), wait=min(left, LONG_POLL))
        try:
            info = yield from ask(core, request, patience=hurry, until=until)
            if run is not None:
                run.obey()
        except BaseException as error:
            # Whoever is stopped while the answer is on its way may have been given a place.
            if not isinstance(error, Exception) or isinstance(error, Stopped):
                yield from give_back(core, PermitInfo(id, lease_id=id))
            raise
        if info.granted:
            return info
        left = end - time.monotonic()
        if max(info.wait_s, info.retry_after_s) > left or left <= 0:
            raise NoPermit(wanted.resource, info.wait_s or info.retry_after_s)
        if not info.waiting:
            id = str(uuid.uuid4())
            yield Sleep(info.retry_after_s + _jitter(info.retry_after_s), until)


def _until_its_slot(core: Core, run: RunState | None, info: PermitInfo) -> Flow[None]:
    """The slot is ours: nobody is asked again. Whoever is stopped meanwhile gives the place back."""
    if not info.wait_s:
        return
    try:
        yield Sleep(info.wait_s + _jitter(info.wait_s), None if run is None else run.cancelled)
        if run is not None:
            run.obey()
    except BaseException:
        yield from give_back(core, info)
        raise


def _jitter(seconds: float) -> float:
    """Never earlier than said, and not all at the same moment."""
    return random.uniform(0.0, min(MOST_JITTER, 0.01 + seconds / 10))


def _unpaused(core: Core, run: RunState) -> Flow[None]:
    """The agent or its run is paused: wait as a step does, then ask anew."""
    run_id = yield from opened(core, run)
    run.heard((yield from patiently(core, run, protocol.control(run_id))))
    if run.stop is None:  # the pause has just ended
        yield Sleep(AFTER_A_PAUSE, run.cancelled)
    yield from unpaused(core, run)


def keep(
    core: Core, info: PermitInfo, wanted: Wanted, done: Bell, lost: Callable[[], None]
) -> Flow[None]:
    """Renew the lease at a third of its length until `done`; call `lost` when somebody else may have the place."""
    span = _span(info)
    while not done.is_rung():
        yield Sleep(span / 3, done)
        if done.is_rung():
            return
        body = wanted.body("", None, 0.0)
        try:
            yield from ask(
                core, protocol.renew_lease(info.id, body["lease_s"]), patience=span / 3, until=done
            )
        except Unreachable as away:
            logger.warning("the lease of %s is not renewed: %s", wanted.resource, away)
        except WatchfloorError as refusal:
            logger.warning("the lease of %s is lost: %s", wanted.resource, refusal)
            lost()
            return


def give_back(core: Core, info: PermitInfo) -> Flow[None]:
    """Somebody else may have the place. Never raises: at worst the lease ends by itself."""
    if info.lease_id is None:
        return
    try:
        yield from ask(core, protocol.give_back(info.lease_id), patience=core.hurry(True))
    except (Unreachable, ApiError) as error:
        logger.info("the lease of %s ends by itself: %s", info.limit.get("resource"), error)


def _span(info: PermitInfo) -> float:
    """Seconds of the lease, by the server's clock alone."""
    starts, until = parse_time(info.starts_at), parse_time(info.lease_until)
    return (until - starts).total_seconds() if starts and until else 60.0
