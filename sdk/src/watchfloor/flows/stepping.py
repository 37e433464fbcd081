"""A guarded step: attempts, retries, fallbacks, and a person when all fail."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from watchfloor.core import Core, logger
from watchfloor.effects import Flow
from watchfloor.errors import (
    HandedOver,
    OutcomeUnknown,
    PolicyChanged,
    ResultNotStored,
    Unreachable,
)
from watchfloor.failures import describe, is_interrupt
from watchfloor.flows.admitting import Claim, begun_unasked, proposal, unbegun
from watchfloor.flows.handing import hand_over
from watchfloor.flows.opening import unopened
from watchfloor.flows.performing import Work, is_careful, perform, settle, usage_of
from watchfloor.flows.sharing import admit_shared
from watchfloor.jsonable import digest, is_stored, jsonable, storable
from watchfloor.models import Action, HandOver, Json, OnUnreachable, Usage
from watchfloor.options import Backoff, Tries
from watchfloor.outbox import Item
from watchfloor.retries import for_steps, is_worth_retrying, persistently
from watchfloor.state import RunState

PROPOSAL_FIELDS = (
    "subject", "reason", "amount", "currency", "queue", "expires_in", "resume",
    "revises", "on_behalf_of", "estimated_tokens", "estimated_cost_usd", "trace_url",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One step as the caller wants it; see `options.StepOptions` for the words."""

    tool: str
    fn: Callable[..., Any]
    arguments: Mapping[str, Any] | None = None
    positional: tuple[Any, ...] = ()
    subject: str | None = None
    kind: str = "tool"
    timeout: float | None = None
    lease: float | None = None
    retries: int = 3
    backoff: Backoff = field(default_factory=Backoff)
    retry_on: Tries = Exception
    fallbacks: Sequence[tuple[str, Callable[..., Any]]] = ()
    hand_over: HandOver | None = None
    gated: bool = True
    ask: bool = False
    on_unreachable: OnUnreachable | None = None
    step_id: str | None = None
    replay: bool = True
    usage: Callable[[Any], Usage | None] | None = None
    restore: Callable[[Json], Any] | None = None
    accept: Callable[[Any], Any] | None = None
    interrupts: tuple[type[BaseException], ...] = ()
    reason: str | None = None
    amount: Any = None
    currency: str | None = None
    queue: str | None = None
    expires_in: Any = None
    resume: Json = None
    revises: str | None = None
    on_behalf_of: str | None = None
    estimated_tokens: int | None = None
    estimated_cost_usd: Any = None
    trace_url: str | None = None

    @property
    def given(self) -> Mapping[str, Any]:
        return self.arguments or {}

    def is_worth_retrying(self, error: BaseException, run: RunState) -> bool:
        return is_worth_retrying(error, self.retry_on, run.interrupts + self.interrupts)

    def work(self, tool: str, fn: Callable[..., Any]) -> Work:
        known = {f.name for f in fields(Work)} & {f.name for f in fields(Step)}
        shared = {name: getattr(self, name) for name in known}
        return Work(**{**shared, "tool": tool, "fn": fn, "arguments": self.given})

    def proposal(self, step: str, tool: str, number: int) -> dict[str, Json]:
        via = "" if tool == self.tool else f"/{tool[:60]}"
        options = {name: getattr(self, name) for name in PROPOSAL_FIELDS}
        return proposal(
            f"{step}{via}/{number}", tool, self.given,
            kind=self.kind, ask=self.ask, step=step, attempt=number, **options,
        )  # fmt: skip


def run_step(core: Core, run: RunState, step: Step) -> Flow[Any]:
    """What the first tool of the chain that succeeds returns.

    Raises the last error, HandedOver, a refusal (Denied, Rejected, …), Terminated, OutcomeUnknown or
    Unreachable.
    """
    with _Named(run, step) as name:
        chain = [(step.tool, step.fn), *step.fallbacks]
        for position, (tool, fn) in enumerate(chain):
            try:
                return (yield from _tool(core, run, step, name, step.work(tool, fn)))
            except Exception as error:
                if not step.is_worth_retrying(error, run):
                    raise
                logger.info("%s failed: %r", tool, error)
                if position == len(chain) - 1:
                    yield from handed_over(core, run, step, name, error)
                    raise
        raise AssertionError("a chain has at least one tool")


def version_of(revises: str | None) -> str:
    """A new version of a request is a request of its own, also under the name of the old one."""
    return f"~{digest(revises)}" if revises else ""


class _Named:
    """The step's name in the run, given back when the step did not come to an end."""

    def __init__(self, run: RunState, step: Step) -> None:
        self.run = run
        self.name = step.step_id or run.steps.take(step.tool, step.subject, step.given)
        self.version = version_of(step.revises) if step.step_id else ""
        self.interrupts = run.interrupts + step.interrupts
        self.salt = "" if step.replay and step.gated else f"+{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> str:
        return self.name + self.version + self.salt

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        left = not isinstance(error, Exception) or isinstance(error, Unreachable)
        if left or is_interrupt(error, self.interrupts):
            self.run.steps.give_back(self.name)


def _tool(core: Core, run: RunState, step: Step, name: str, work: Work) -> Flow[Any]:
    """One tool of the chain, with its retries. Numbers go on where an earlier process stopped."""
    number = 0

    def attempt() -> Flow[Any]:
        nonlocal number
        while True:
            number += 1
            body = step.proposal(name, work.tool, number)
            if not step.gated:
                return (yield from unasked(core, run, body, work))
            claim = Claim.new(lease=step.lease, timeout=work.timeout)
            try:
                with unbegun(core, claim, body):
                    action = yield from _admitted(core, run, step, body, claim)
            except PolicyChanged as stale:
                logger.info("%s is proposed again: %s", work.tool, stale.detail)
                continue
            except Unreachable:
                if not core.may_go_on_without(step.on_unreachable):
                    raise
                begun_unasked(core, body)
                return (yield from unasked(core, run, body, work))
            if claim.holds(action):
                return (yield from perform(core, run, action, work))
            if action.state == "succeeded" and is_stored(action.result):
                return replayed(action, work)
            yield from before(core, run, action)

    plan = for_steps(step.retries, step.backoff, lambda error: step.is_worth_retrying(error, run))
    return (yield from persistently(plan, attempt, run.cancelled))


def _admitted(
    core: Core, run: RunState, step: Step, body: dict[str, Json], claim: Claim
) -> Flow[Action]:
    """A step that may go on without the server does not try long, nor when it was just away."""
    may_go_on = core.may_go_on_without(step.on_unreachable)
    if may_go_on and core.was_just_lost:
        raise Unreachable(f"{core.url} was away a moment ago")
    patience = core.hurry(may_go_on)
    return (yield from admit_shared(core, run, body, claim, patience=patience))


def replayed(action: Action, work: Work) -> Any:
    """The result of an earlier process, as the caller knows it."""
    result = action.result if work.restore is None else work.restore(action.result)
    return work.accepted(result)


def before(core: Core, run: RunState, action: Action) -> Flow[None]:
    """What an earlier process did in this attempt; return when another attempt is in order."""
    if action.state == "succeeded":
        if is_careful(action):
            raise ResultNotStored(action)
    elif action.state in ("executing", "unknown"):
        if is_careful(action):
            raise OutcomeUnknown(action, "an earlier process began it and never said how it ended")
        lost = {"type": "Lost", "message": "the process ended before it could say how it went"}
        yield from settle(core, run, action, {"outcome": "failed", "error": lost})


def unasked(core: Core, run: RunState, body: Mapping[str, Json], work: Work) -> Flow[Any]:
    """Do it, and report it as an observation afterwards."""
    run.obey()
    began, raw = time.monotonic(), None
    told: dict[str, Json] = {"outcome": "succeeded"}
    try:
        raw = yield work.call(run, work.arguments)
        told |= usage_of(work, raw)
        told["result"] = storable(raw, anyway=True)
        return work.accepted(raw)
    except Exception as error:
        told |= {"outcome": "failed", "error": describe(error)}
        raise
    finally:
        told["duration_ms"] = round((time.monotonic() - began) * 1000)
        observe(core, run, {**_observed(body), **told})


def _observed(body: Mapping[str, Json]) -> dict[str, Json]:
    names = ("kind", "tool", "subject", "arguments", "step", "attempt", "trace_url")
    return {"id": body["call_id"], **{name: body.get(name) for name in names}}


def observe(core: Core, run: RunState, body: Mapping[str, Json]) -> None:
    """Buffer one observation; it is sent in a batch soon."""
    given = {name: jsonable(value) for name, value in body.items() if value is not None}
    core.outbox.add(Item("observation", run.id, given, unopened(run)))


def handed_over(core: Core, run: RunState, step: Step, name: str, error: Exception) -> Flow[None]:
    """Raise HandedOver with the review, when the step wants that."""
    to = step.hand_over
    if to is None:
        return
    if to.key is None:
        to = replace(to, key=step.subject or f"{run.key}/{name}")
    if to.reason is None:
        to = replace(to, reason=f"{type(error).__name__}: {error}"[:4000])
    may_wait = core.may_go_on_without(step.on_unreachable)
    review = yield from hand_over(core, run, to, subject=step.subject, may_wait=may_wait)
    raise HandedOver(review, error) from error
