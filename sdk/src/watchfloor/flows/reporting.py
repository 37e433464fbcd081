"""Bringing reports to the server, now or later."""

from __future__ import annotations

import random
import time
from typing import Any

from watchfloor import protocol
from watchfloor.core import PROMPTLY, Core, ask, logger
from watchfloor.effects import Flow, Sleep
from watchfloor.errors import ApiError, Conflict, Terminated, Unauthorized, Unreachable
from watchfloor.models import Control, Json, read
from watchfloor.outbox import Item
from watchfloor.protocol import Request

LINGER = 0.3
"""Seconds to wait for company before observations are sent."""


def report(core: Core, item: Item) -> Flow[Control | None]:
    """Deliver it now if the server answers promptly; else it waits in the buffer."""
    core.outbox.add(item, busy=True)
    try:
        return (yield from _deliver(core, [item], patience=min(PROMPTLY, core.patience)))
    except Unreachable as error:
        logger.warning("an outcome is reported later: %s", error)
        core.outbox.give_back(item)
        core.outbox.work.ring()
        return None
    except BaseException:
        core.outbox.give_back(item)
        raise


def flush(core: Core, *, patience: float | None = None) -> Flow[None]:
    """Deliver everything that waits, oldest first. Raises Unreachable, or Unauthorized."""
    patience = core.patience if patience is None else patience
    while batch := core.outbox.take():
        try:
            yield from _deliver(core, batch, patience=patience)
        finally:
            core.outbox.give_back(*batch)


def flush_within(core: Core, timeout: float) -> Flow[bool]:
    """Deliver what can be delivered in `timeout` seconds. True: nothing waits any more."""
    ends = time.monotonic() + timeout
    try:
        yield from flush(core, patience=timeout)
        while len(core.outbox) and time.monotonic() < ends:
            yield Sleep(0.02)
            yield from flush(core, patience=max(0.0, ends - time.monotonic()))
    except (Unreachable, Unauthorized) as error:
        logger.warning("%d reports wait: %s", len(core.outbox), error)
    return not len(core.outbox)


def flushing(core: Core) -> Flow[None]:
    """Deliver in the background until the client is closed."""
    failures = 0
    while not core.closed.is_rung():
        if not len(core.outbox):
            yield Sleep(3600.0, core.outbox.work)
        core.outbox.work.clear()
        if core.closed.is_rung():
            return
        yield Sleep(LINGER, core.closed)
        try:
            yield from flush(core)
            failures = 0
        except (Unreachable, Unauthorized) as error:
            failures += 1
            logger.warning("%d reports wait: %s", len(core.outbox), error)
            longest = min(30.0, 0.5 * 2.0 ** min(failures, 10))
            yield Sleep(longest * (0.5 + random.random() / 2), core.closed)


def _deliver(core: Core, batch: list[Item], *, patience: float) -> Flow[Control | None]:
    """Send one batch; what the server will never take is dropped, loudly, and one by one."""
    try:
        request = yield from _request(core, batch, patience)
        answer = yield from ask(core, request, patience=patience)
    except (Unreachable, Unauthorized):
        raise
    except (ApiError, Terminated) as error:
        if len(batch) > 1:
            for item in batch:
                yield from _deliver(core, [item], patience=patience)
        elif _is_moot(error, batch[0]):
            core.outbox.done(batch[0])
        else:
            core.outbox.refused(batch[0], error)
        return None
    core.outbox.done(*batch)
    control = answer.get("control") if isinstance(answer, dict) else None
    return read(Control, control) if control else None


def _request(core: Core, batch: list[Item], patience: float) -> Flow[Request[Any]]:
    first = batch[0]
    target = first.target or (yield from _run_id(core, first, patience))
    if first.kind == "settle":
        return protocol.settle(target, first.body)
    if first.kind == "finish":
        return protocol.finish(target, first.body)
    if first.kind == "review":
        return protocol.hand_over(target, first.body)
    return protocol.observe(target, [item.body for item in batch])


def _run_id(core: Core, item: Item, patience: float) -> Flow[str]:
    """Open the run that could not be opened when this was written."""
    wanted: dict[str, Json] = item.run or {}
    key = str(wanted["key"])
    if key not in core.run_ids:
        info = yield from ask(core, protocol.open_run(wanted), patience=patience)
        core.run_ids[key] = info.id
    return core.run_ids[key]


def _is_moot(error: Exception, item: Item) -> bool:
    """A run that a person ended needs no end from us."""
    return item.kind == "finish" and isinstance(error, (Terminated, Conflict))
