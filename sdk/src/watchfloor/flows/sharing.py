"""One action, several callers: whoever claims it does it, the others wait for how it ends."""

from __future__ import annotations

import random
from datetime import datetime, timezone

from watchfloor import protocol
from watchfloor.core import Core
from watchfloor.effects import Flow, Sleep
from watchfloor.flows.admitting import Claim, claiming, propose, ready
from watchfloor.flows.control import patiently
from watchfloor.models import Action, Json
from watchfloor.state import RunState

LOOK_AGAIN = 1.0
"""Seconds between looks at a claim that somebody else holds."""


def admit_shared(
    core: Core, run: RunState, body: dict[str, Json], claim: Claim, *, patience: float | None
) -> Flow[Action]:
    """Like `admit`; and while another caller of the same request is at it, wait for how it ends.

    Others can only be at what we asked for just now, or at what answers another call than ours:
    people are asked once for both. Else a foreign claim is that of an earlier process, and not
    waited for. Raises what `admit` raises.
    """
    admission = yield from propose(core, run, claiming(body, claim), patience=patience)
    assert admission.action is not None
    is_shared = admission.admission != "replayed" or admission.action.call_id != body["call_id"]
    action = yield from ready(core, run, admission.action, claim)
    while is_shared and not claim.holds(action) and is_leased(action):
        action = yield from let_go(core, run, action)
        action = yield from ready(core, run, action, claim)
    return action


def let_go(core: Core, run: RunState, action: Action) -> Flow[Action]:
    """Wait until no living process can be at it any more."""
    while is_leased(action):
        pause = min(_left(action) + 0.05, LOOK_AGAIN * (0.75 + random.random() / 2))
        yield Sleep(pause, run.cancelled)
        action = yield from patiently(core, run, protocol.action(action.id))
    return action


def is_leased(action: Action) -> bool:
    """Somebody claimed it, and may still be at it."""
    return action.state == "executing" and _left(action) > 0


def _left(action: Action) -> float:
    ends = action.lease_ends
    return 0.0 if ends is None else (ends - datetime.now(timezone.utc)).total_seconds()
