"""running → completed | failed: opening a run, and finishing it."""

from __future__ import annotations

from watchfloor import protocol
from watchfloor.core import Core, ask, logger
from watchfloor.effects import Flow, Sleep
from watchfloor.errors import StillHeld, Stopped, Unreachable
from watchfloor.failures import describe, is_interrupt
from watchfloor.flows.reporting import flush
from watchfloor.jsonable import storable
from watchfloor.models import Json
from watchfloor.outbox import Item
from watchfloor.state import RunState


def enter(core: Core, run: RunState) -> Flow[None]:
    """Open the run, or continue the unfinished one with this key.

    Raises RunFinished when that one is over; Unreachable, unless the client may go on without.
    """
    may_go_on = core.may_go_on_without(None)
    try:
        yield from opened(core, run, patience=core.hurry(may_go_on))
    except Unreachable:
        if not may_go_on:
            raise
        run.was_unseen = True
        logger.warning("run %s starts unseen: the control plane is away", run.name)
    if run.heartbeat:
        core.open_runs.append(run)
        core.heart.ring()


def opened(core: Core, run: RunState, *, patience: float | None = None) -> Flow[str]:
    """The run's id, asking the server for it when that was not possible before."""
    if run.id is None and run.key in core.run_ids:
        run.id = core.run_ids[run.key]
    if run.id is not None:
        return run.id
    request = protocol.open_run(run.wanted)
    info = yield from ask(core, request, patience=patience, until=run.cancelled)
    run.opened(info)
    if run.was_unseen:
        core.run_ids[run.key] = info.id
    return info.id


def leave(core: Core, run: RunState, error: BaseException | None, output: Json) -> Flow[None]:
    """Finish the run as the way of leaving it says; what cannot be said now is said later."""
    run.closed.ring()
    if run in core.open_runs:
        core.open_runs.remove(run)
    if error is not None and not _is_failure(error, run):
        return
    if run.stop is not None and run.stop.kind != "paused":
        return
    body: dict[str, Json] = {"outcome": "completed" if error is None else "failed"}
    if error is not None:
        body["error"] = "{type}: {message}".format(**describe(error))
    elif output is not None:
        body["output"] = storable(output, anyway=True)
    core.outbox.add(Item("finish", run.id, body, unopened(run)))
    leaving = error is not None and not isinstance(error, Exception)
    try:
        yield from flush(core, patience=core.hurry(leaving))
        while core.outbox.is_busy_with(run.id):
            yield Sleep(0.02)
    except Unreachable as away:
        logger.warning("the end of run %s is reported later: %s", run.name, away)


def unopened(run: RunState) -> dict[str, Json] | None:
    """What opens the run, for a report that must name it before it has an id."""
    return run.wanted if run.id is None else None


def _is_failure(error: BaseException, run: RunState) -> bool:
    """A stop or a framework's interrupt is none. An exit, a cancellation, an outage or a wait that
    was cut short leaves the run open for its key; without one nobody could continue it, so it has
    failed."""
    if isinstance(error, Stopped) or is_interrupt(error, run.interrupts):
        return False
    if isinstance(error, Exception) and not isinstance(error, Unreachable | StillHeld):
        return True
    return not run.can_be_continued
