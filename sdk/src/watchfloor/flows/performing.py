"""One attempt: run the user's function on a claimed action and say how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from watchfloor import cancelling
from watchfloor.binding import same, why_not
from watchfloor.core import Core, logger
from watchfloor.effects import Bell, Call, Flow
from watchfloor.errors import (
    BindingBroken,
    OutcomeUnknown,
    StepCancelled,
    Stopped,
    Terminated,
    Unparseable,
)
from watchfloor.failures import UNSURE_ON, describe, is_interrupt, is_unsure
from watchfloor.flows.reporting import report
from watchfloor.jsonable import jsonable, money, storable
from watchfloor.models import Action, Json, Usage
from watchfloor.options import Tries
from watchfloor.outbox import Item
from watchfloor.state import RunState

MALFORMED = "malformed_output"
"""By this type of error the server's breakers know an output that does not parse."""


CANCELLED = "cancelled"
"""The type of the error of a step that stopped because a person asked for it."""


@dataclass(frozen=True)
class Work:
    """What to run. `accept` turns the raw result into the value, or raises (output that must parse).

    `positional` precede the arguments; a person never sees or edits them.
    """

    tool: str
    fn: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    positional: tuple[Any, ...] = ()
    timeout: float | None = None
    usage: Callable[[Any], Usage | None] | None = None
    restore: Callable[[Json], Any] | None = None
    accept: Callable[[Any], Any] | None = None
    unsure_on: Tries = UNSURE_ON
    interrupts: tuple[type[BaseException], ...] = ()

    def call(self, run: RunState, arguments: Mapping[str, Any], until: Bell | None = None) -> Call:
        return Call(self.fn, self.positional, arguments, self.timeout, until or run.cancelled)

    def effective(self, action: Action) -> Mapping[str, Any]:
        """The caller's own objects, except where a person edited them or they changed meanwhile."""
        return {
            name: value if action.was_edited(name) else self._mine(name, value)
            for name, value in action.arguments.items()
        }

    def _mine(self, name: str, value: Json) -> Any:
        mine = self.arguments.get(name, value)
        return mine if same(jsonable(mine), value) else value

    def accepted(self, raw: Any) -> Any:
        if self.accept is None:
            return raw
        try:
            return self.accept(raw)
        except Exception as error:
            raise Unparseable(raw, error) from error


def is_careful(action: Action) -> bool:
    """Must it never be done twice by mistake? Writes, and what a person was asked about."""
    return action.kind == "write" or bool(action.decision)


def perform(core: Core, run: RunState, action: Action, work: Work) -> Flow[Any]:
    """Run it, settle it, give the value. Raises what `fn` raised; OutcomeUnknown when a write may
    have happened; BindingBroken; Terminated when the run was terminated meanwhile."""
    run.obey()
    arguments = work.effective(action)
    yield from bound(core, run, action, arguments)
    began = time.monotonic()
    until = run.begin_step(action.id)
    around = cancelling.enter(until)
    try:
        raw = yield work.call(run, arguments, until)
    except BaseException as error:
        if isinstance(error, Terminated) and not run.cancelled.is_rung():
            # Cut off in the middle: a write may have happened, everything else has not.
            yield from _cut_off(core, run, action, began)
            raise StepCancelled(work.tool) from None
        yield from _went_wrong(core, run, action, work, error, began)
        raise
    finally:
        cancelling.enter(around)
        run.end_step(action.id)
    body = {"outcome": "succeeded", **usage_of(work, raw)}
    body["result"] = storable(raw, anyway=work.restore is not None)
    try:
        value = work.accepted(raw)
    except Unparseable as error:
        body |= {"outcome": "failed", "error": {**describe(error), "type": MALFORMED}}
        yield from settle(core, run, action, body, began)
        raise
    yield from settle(core, run, action, body, began)
    if run.stop is not None and run.stop.kind == "terminated":
        run.obey()
    return value


def bound(core: Core, run: RunState, action: Action, arguments: Mapping[str, Any]) -> Flow[None]:
    """Return when an approval allows exactly this; else settle it as failed, raise BindingBroken."""
    because = why_not(action, arguments, core.on_unbound)
    if because:
        error = BindingBroken(action, because)
        yield from settle(core, run, action, {"outcome": "failed", "error": describe(error)})
        raise error


def _cut_off(core: Core, run: RunState, action: Action, began: float) -> Flow[None]:
    if is_careful(action):
        raise OutcomeUnknown(action, "it was stopped in the middle, because a person asked for it")
    error = {"type": CANCELLED, "message": "It was stopped because a person asked for it."}
    yield from settle(core, run, action, {"outcome": "failed", "error": error}, began)


def _went_wrong(
    core: Core, run: RunState, action: Action, work: Work, error: BaseException, began: float
) -> Flow[None]:
    body: dict[str, Json] = {"outcome": "failed", "error": describe(error)}
    if isinstance(error, StepCancelled):
        body["error"] = {"type": CANCELLED, "message": str(error)}
        yield from settle(core, run, action, body, began)
    elif is_interrupt(error, run.interrupts + work.interrupts):
        yield from settle(core, run, action, {"outcome": "interrupted"}, began)
    elif not isinstance(error, Exception) or isinstance(error, Stopped):
        # The process is leaving: nothing may be waited for. An outcome that matters stays open.
        if not is_careful(action):
            core.outbox.add(settlement(action, {"outcome": "interrupted"}, began))
    elif is_careful(action) and is_unsure(error, work.unsure_on):
        raise OutcomeUnknown(action, str(error) or type(error).__name__) from error
    else:
        yield from settle(core, run, action, body, began)


def settle(
    core: Core, run: RunState, action: Action, body: Mapping[str, Json], began: float | None = None
) -> Flow[None]:
    """Report the outcome under the action's claim; it is delivered later when it cannot be now."""
    control = yield from report(core, settlement(action, body, began))
    run.heard(control)


def settlement(action: Action, body: Mapping[str, Json], began: float | None) -> Item:
    """The report of an outcome, under the action's claim."""
    took = None if began is None else round((time.monotonic() - began) * 1000)
    return Item("settle", action.id, {**body, "claim_id": action.claim_id, "duration_ms": took})


def usage_of(work: Work, raw: Any) -> dict[str, Json]:
    """Tokens and cost as the server takes them; a broken reader costs the figures, not the step."""
    if work.usage is None:
        return {}
    try:
        usage = work.usage(raw)
        if usage is None:
            return {}
        return {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_usd": money(usage.cost_usd),
            "model": usage.model,
        }
    except Exception:
        logger.exception("the usage of %s could not be read", work.tool)
        return {}
