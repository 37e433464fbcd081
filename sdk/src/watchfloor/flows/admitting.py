"""From a proposal to a claimed action: the one way in for everything gated."""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from watchfloor import protocol
from watchfloor.core import Core, ask
from watchfloor.effects import Flow, Sleep
from watchfloor.errors import (
    Answered,
    Asked,
    Cancelled,
    Conflict,
    Denied,
    Expired,
    PolicyChanged,
    Refused,
    Rejected,
    RunFinished,
    StillHeld,
    Terminated,
    Unreachable,
)
from watchfloor.flows.control import patiently, unpaused
from watchfloor.flows.opening import opened
from watchfloor.flows.reporting import flush
from watchfloor.jsonable import jsonable, money, seconds
from watchfloor.models import Action, Admission, Json
from watchfloor.protocol import LONG_POLL
from watchfloor.state import RunState

T = TypeVar("T")

REMEMBERED = "rejected_before"
"""A person rejected the same request a while ago; it is answered with their words."""

NOT_BEGUN: Json = {
    "type": "NotBegun",
    "message": "The answer to its claim was lost, so nothing was begun.",
}

PROBATION_S = 2.0
"""Until somebody else's probe may have come back."""


@dataclass(frozen=True)
class Claim:
    """Ours as long as the action carries `id`. `lease_s`: whole seconds, None is the server's."""

    id: str
    lease_s: int | None = None

    @classmethod
    def new(cls, *, lease: float | None, timeout: float | None) -> Claim:
        if lease is None and timeout is not None:
            lease = timeout + 60.0
        lease_s = None if lease is None else min(86_400, max(1, round(lease)))
        return cls(uuid.uuid4().hex, lease_s)

    def holds(self, action: Action) -> bool:
        return action.state == "executing" and action.claim_id == self.id


@contextlib.contextmanager
def unbegun(core: Core, claim: Claim, body: Mapping[str, Json]) -> Iterator[None]:
    """Around an admission: when its answer is lost, remember that nothing begins under this claim."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Unreachable) or not isinstance(error, Exception):
            core.lost_claims[claim.id] = str(body["call_id"])
        raise


def begun_unasked(core: Core, body: Mapping[str, Json]) -> None:
    """The call is done without a claim: of those that were lost for it, nothing is certain any more."""
    for id, call_id in tuple(core.lost_claims.items()):
        if call_id == body["call_id"]:
            core.lost_claims.pop(id, None)


def proposal(
    call_id: str,
    tool: str,
    arguments: Mapping[str, Any] | None,
    *,
    kind: str = "tool",
    ask: bool = False,
    step: str | None = None,
    attempt: int | None = None,
    idempotency_key: str | None = None,
    **options: Any,
) -> dict[str, Json]:
    """The body of a proposal; `options` are ProposalOptions."""
    expires_in = seconds(options.pop("expires_in", None))
    body = {
        "call_id": call_id,
        "tool": tool,
        "kind": kind,
        "arguments": jsonable(dict(arguments or {})),
        "ask": ask or None,
        "step": step,
        "attempt": attempt,
        "idempotency_key": idempotency_key,
        "expires_in_s": None if expires_in is None else round(expires_in),
        "amount": money(options.pop("amount", None)),
        "estimated_cost_usd": money(options.pop("estimated_cost_usd", None)),
        **options,
    }
    if body.get("resume") is not None:
        body["resume"] = jsonable(body["resume"])
    return body


def admit(
    core: Core, run: RunState, body: dict[str, Json], claim: Claim, *, patience: float | None = None
) -> Flow[Action]:
    """The action, claimed by us; or as it stands, when it was proposed before.

    Waits while paused, on probation or held. Raises Denied, Rejected, Answered, Asked, Expired,
    Cancelled, Terminated, RunFinished, Conflict, PolicyChanged, Unreachable.
    """
    admission = yield from propose(core, run, claiming(body, claim), patience=patience)
    assert admission.action is not None
    return (yield from ready(core, run, admission.action, claim))


def claiming(body: dict[str, Json], claim: Claim) -> dict[str, Json]:
    """The proposal, to be claimed at once when it is allowed."""
    return {**body, "claim_id": claim.id, "lease_s": claim.lease_s}


def propose(
    core: Core, run: RunState, body: dict[str, Json], *, patience: float | None = None
) -> Flow[Admission]:
    """Propose until the answer is more than `retry_later`. Raises Denied and what stops a run."""
    while True:
        yield from unpaused(core, run)
        if core.outbox.owes_outcomes:
            yield from flush(core, patience=patience)
        run_id = yield from opened(core, run, patience=patience)
        request = protocol.propose(run_id, body)
        admission = yield from obeying(run, ask(core, request, patience=patience))
        run.heard(admission.control)
        if admission.admission == "denied":
            raise denial(admission)
        if admission.admission != "retry_later":
            return admission
        yield from _later(run, admission)


def _later(run: RunState, admission: Admission) -> Flow[None]:
    """Probation sleeps here; a pause is waited for before the next proposal, by `unpaused`."""
    run.obey()
    if run.stop is None:
        pause = admission.retry_after_s if admission.code == "probation" else None
        yield Sleep((pause or 0.2) * (1.0 + random.random() / 4), run.cancelled)


def ready(core: Core, run: RunState, action: Action, claim: Claim) -> Flow[Action]:
    """Wait for the decision and claim; actions that ran before are given back as they are."""
    while True:
        action = yield from decided(core, run, action)
        if action.state in ("executing", "unknown") and action.claim_id in core.lost_claims:
            action = yield from _given_back(core, run, action)
            continue
        if action.state not in ("allowed", "approved"):
            return judged(run, action)
        request = protocol.claim(action.id, claim.id, claim.lease_s)
        try:
            return (yield from obeying(run, ask(core, request)))
        except RunFinished:
            if action.run_id == run.id:
                raise
            return action
        except Conflict as error:
            refused = error
        if refused.code == "paused":
            run.heard((yield from ask(core, protocol.control(action.run_id))))
            yield from unpaused(core, run)
            yield Sleep(0.05, run.cancelled)
        elif refused.code == "probation":
            yield Sleep(PROBATION_S * (1.0 + random.random() / 4), run.cancelled)
        action = yield from _not_claimed(core, action, refused)


def _given_back(core: Core, run: RunState, action: Action) -> Flow[Action]:
    """Free again for a claim with a lease of its own; failed when its lease is over or it is another run's."""
    body: dict[str, Json] = {"outcome": "interrupted", "claim_id": action.claim_id}
    if action.state == "unknown" or action.run_id != run.id:
        body |= {"outcome": "failed", "error": NOT_BEGUN}
    with contextlib.suppress(Conflict):  # another thread was first, or the lease ended just now
        yield from ask(core, protocol.settle(action.id, body))
    return (yield from ask(core, protocol.action(action.id)))


def _not_claimed(core: Core, action: Action, refused: Conflict) -> Flow[Action]:
    """The action as it stands now. Raises Expired, PolicyChanged, or Denied when it never will be."""
    if refused.code == "approval_expired":
        raise Expired(refused.detail, action) from refused
    if isinstance(refused, PolicyChanged):
        refused.action = action
        raise refused
    now = yield from ask(core, protocol.action(action.id))
    if refused.code == "not_claimable" and now.state == action.state:
        raise Denied(refused.code, refused.detail, now) from refused
    if refused.code not in ("paused", "probation", "already_claimed", "not_claimable"):
        raise refused
    return now


def decided(
    core: Core, run: RunState, action: Action, *, deadline: float | None = None
) -> Flow[Action]:
    """The action once it is no longer held. Raises StillHeld at the `deadline` (monotonic)."""
    while action.state == "held":
        run.obey()
        left = LONG_POLL if deadline is None else min(LONG_POLL, deadline - time.monotonic())
        if left <= 0:
            raise StillHeld(action)
        request = protocol.action(action.id, wait=round(left, 3))
        action = yield from patiently(core, run, request)
    return action


def judged(run: RunState, action: Action) -> Action:
    """Raise what a refusing state means; give everything else back."""
    message = action.message or ""
    if action.state == "rejected":
        raise rejection(action, remembered=action.code == REMEMBERED)
    if action.state == "denied":
        raise Denied(action.code or "policy", action.reason or message, action)
    if action.state == "expired":
        raise Expired(message, action)
    if action.state == "cancelled" and action.run_id == run.id:
        run.obey()
        raise Cancelled(message, action)
    return action


def denial(admission: Admission) -> Refused:
    """A rule's no; or that of a person, who said it to the same request before."""
    if admission.code == REMEMBERED and admission.action is not None:
        return rejection(admission.action, remembered=True)
    return Denied(admission.code, admission.reason, admission.action)


def rejection(action: Action, *, remembered: bool) -> Refused:
    message = action.message or ""
    if action.decision == "asked":
        return Asked(message, action)
    if action.decision == "answered":
        return Answered(message, action)
    return Rejected(message, action, remembered=remembered)


def obeying(run: RunState, flow: Flow[T]) -> Flow[T]:
    """A refusal that says the run was terminated is remembered by the run."""
    try:
        return (yield from flow)
    except Terminated as error:
        run.terminated(error.reason)
        raise
