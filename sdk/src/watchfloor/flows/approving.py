"""Asking a person, in this process or the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from watchfloor import protocol
from watchfloor.core import Core, ask
from watchfloor.effects import Flow
from watchfloor.errors import ApiError, Conflict, Terminated, Unreachable
from watchfloor.flows.admitting import Claim, decided, judged, proposal, propose, ready
from watchfloor.flows.performing import Work, bound, perform
from watchfloor.models import Action
from watchfloor.state import RunState


def request(
    core: Core,
    run: RunState,
    tool: str,
    arguments: Mapping[str, Any] | None,
    *,
    call_id: str | None,
    kind: str = "tool",
    **options: Any,
) -> Flow[Action]:
    """Propose with `ask`; the same call twice is one request. Raises Denied and what stops a run."""
    call_id = call_id or "ask:" + run.steps.take(tool, options.get("subject"), arguments or {})
    body = proposal(call_id, tool, arguments, kind=kind, ask=True, step=call_id, **options)
    admission = yield from propose(core, run, body)
    assert admission.action is not None
    return admission.action


def wait(core: Core, run: RunState, action: Action, timeout: float | None) -> Flow[Action]:
    """The approved action. Raises Rejected, Answered, Expired, Cancelled, Terminated, StillHeld."""
    deadline = None if timeout is None else time.monotonic() + timeout
    return judged(run, (yield from decided(core, run, action, deadline=deadline)))


def claim(core: Core, run: RunState, action: Action, claim: Claim) -> Flow[Action]:
    """Take it for execution, once. Raises Conflict (`already_claimed`), PolicyChanged, BindingBroken
    and what `wait` raises."""
    action = yield from ready(core, run, action, claim)
    if not claim.holds(action):
        raise Conflict(409, "already_claimed", f"this approval is {action.state}")
    yield from bound(core, run, action, action.arguments)
    return action


def perform_approved(
    core: Core,
    run: RunState,
    action: Action,
    mine: Claim,
    work: Work,
    keep: Callable[[Action], None] = lambda _: None,
) -> Flow[Any]:
    """Wait, claim, run, settle → what `fn` returned; `keep` is given the action as it goes on."""
    action = yield from claim(core, run, action, mine)
    keep(action)
    try:
        value = yield from perform(core, run, action, work)
    except Exception:
        keep((yield from looked_at(core, action)))
        raise
    keep((yield from looked_at(core, action)))
    return value


def looked_at(core: Core, action: Action) -> Flow[Action]:
    """As it stands now; as last heard of when nobody answers at once."""
    if core.was_just_lost:
        return action
    try:
        return (yield from ask(core, protocol.action(action.id), patience=0.0))
    except (ApiError, Terminated, Unreachable):
        return action


def cancel(core: Core, action: Action, reason: str | None) -> Flow[Action]:
    """Withdraw what is held or not yet claimed. Raises Conflict (`not_cancellable`)."""
    yield from ask(core, protocol.cancel(action.id, reason))
    return (yield from ask(core, protocol.action(action.id)))
