"""External writes that happen at most once, whoever crashes where."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from watchfloor import protocol
from watchfloor.core import Core, ask
from watchfloor.effects import Call, Flow
from watchfloor.errors import (
    Cancelled,
    Conflict,
    OutcomeUnknown,
    PolicyChanged,
    ResultNotStored,
    StepTimeout,
)
from watchfloor.failures import UNSURE_ON
from watchfloor.flows.admitting import Claim, admit, proposal, ready, unbegun
from watchfloor.flows.performing import Work, perform, settle
from watchfloor.flows.sharing import is_leased, let_go
from watchfloor.flows.stepping import PROPOSAL_FIELDS, replayed, version_of
from watchfloor.jsonable import digest, is_stored, storable
from watchfloor.models import Action, Found, Json, NotFound, OnUnreachable, Usage
from watchfloor.options import Backoff, Tries
from watchfloor.retries import for_steps, is_worth_retrying, persistently
from watchfloor.state import RunState

Verify = Callable[[str], Any]
"""transaction id → Found(result) or NotFound(); may be async in async code."""

STALE = "The rules became stricter after this was approved; it is proposed again."
"""Why a write was withdrawn, for people and for the next process that meets it."""


@dataclass(frozen=True)
class Write:
    """One external write as the caller wants it; see `options.OnceOptions`."""

    transaction_id: str
    tool: str
    fn: Callable[..., Any]
    arguments: Mapping[str, Any] | None = None
    verify: Verify | None = None
    takeover: bool = False
    wait_for_lease: bool = True
    retries: int = 3
    backoff: Backoff = field(default_factory=Backoff)
    retry_on: Tries = Exception
    unsure_on: Tries = UNSURE_ON
    timeout: float | None = None
    lease: float | None = None
    ask: bool = False
    usage: Callable[[Any], Usage | None] | None = None
    restore: Callable[[Json], Any] | None = None
    subject: str | None = None
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
    on_unreachable: OnUnreachable | None = None

    def __post_init__(self) -> None:
        if self.on_unreachable == "open":
            raise ValueError(
                "an external write always fails closed: once takes no on_unreachable='open'"
            )

    def proposal(self, number: int) -> dict[str, Json]:
        name = self.transaction_id
        step = f"once:{name if len(name) <= 150 else digest(name)}{version_of(self.revises)}"
        options = {name: getattr(self, name) for name in PROPOSAL_FIELDS}
        return proposal(
            f"{step}/{number}", self.tool, self.arguments, kind="write", ask=self.ask, step=step,
            attempt=number, idempotency_key=self.transaction_id, **options,
        )  # fmt: skip

    @property
    def work(self) -> Work:
        return Work(
            self.tool, self.fn, self.arguments or {}, timeout=self.timeout, usage=self.usage,
            restore=self.restore, unsure_on=(*_tuple(self.unsure_on), StepTimeout),
        )  # fmt: skip


def once(core: Core, run: RunState, write: Write) -> Flow[Any]:
    """What the write returned, now or when it was done before.

    Raises OutcomeUnknown, ResultNotStored, a refusal, a stop, Unreachable, or what `fn` raised when
    it is certain that nothing happened.
    """
    number = 0

    def attempt() -> Flow[Any]:
        nonlocal number
        while True:
            number += 1
            body = write.proposal(number)
            claim = Claim.new(lease=write.lease, timeout=write.timeout)
            try:
                with unbegun(core, claim, body):
                    action = yield from _admitted(core, run, write, body, claim)
            except PolicyChanged as stale:
                yield from _withdraw(core, stale.action, STALE)
                continue
            except Cancelled as before:
                if before.message != STALE:
                    raise
                continue
            if claim.holds(action):
                return (yield from _write(core, run, action, write))
            if action.state == "succeeded":
                if not is_stored(action.result):
                    raise ResultNotStored(action)
                return replayed(action, write.work)
            if action.state in ("executing", "unknown"):
                found = yield from _verified(core, run, action, write, sure=True)
                if found is not None:
                    return found.result
            elif action.state in ("allowed", "approved"):
                yield from _withdraw(core, action, "its run is over")

    plan = for_steps(
        write.retries,
        write.backoff,
        lambda error: is_worth_retrying(error, write.retry_on, run.interrupts),
    )
    return (yield from persistently(plan, attempt, run.cancelled))


def _admitted(
    core: Core, run: RunState, write: Write, body: dict[str, Json], claim: Claim
) -> Flow[Action]:
    """Claimed by us; or as it stands once no living process can be at it any more."""
    action = yield from admit(core, run, body, claim)
    while is_leased(action) and not (claim.holds(action) or write.takeover):
        if not write.wait_for_lease:
            raise OutcomeUnknown(action, "another process holds the claim")
        action = yield from let_go(core, run, action)
        action = yield from ready(core, run, action, claim)
    return action


def _write(core: Core, run: RunState, action: Action, write: Write) -> Flow[Any]:
    """Do it. When the outcome stays open, look at once, before anybody else has to."""
    try:
        return (yield from perform(core, run, action, write.work))
    except OutcomeUnknown as error:
        if write.verify is None:
            raise
        # A function that timed out in a thread may still be at it: only a find is certain then.
        still_running = getattr(error.__cause__, "still_running", False)
        found = yield from _verified(core, run, action, write, sure=not still_running)
        if found is None:
            raise (error.__cause__ or error) from None
        return found.result


def _verified(
    core: Core, run: RunState, action: Action, write: Write, *, sure: bool
) -> Flow[Found | None]:
    """Look at the outside world and settle accordingly; None when it certainly did not happen."""
    if write.verify is None:
        raise OutcomeUnknown(action, "there is no verify to find out")
    answer = yield Call(write.verify, (write.transaction_id,))
    if isinstance(answer, Found):
        body = {"outcome": "succeeded", "result": storable(answer.result, anyway=True)}
        yield from settle(core, run, action, body)
        return answer
    if not isinstance(answer, NotFound):
        raise TypeError(f"verify must return Found or NotFound, not {answer!r}")
    if not sure:
        raise OutcomeUnknown(action, "the attempt timed out and may still be running")
    lost = {"type": "NotFound", "message": "verified: the write did not take effect"}
    yield from settle(core, run, action, {"outcome": "failed", "error": lost})
    return None


def _withdraw(core: Core, action: Action | None, reason: str) -> Flow[None]:
    """Free the key of what a finished run left behind, or of a yes that holds no more."""
    if action is not None:
        with contextlib.suppress(Conflict):
            yield from ask(core, protocol.cancel(action.id, reason))


def _tuple(kinds: Tries) -> tuple[type[BaseException], ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)
