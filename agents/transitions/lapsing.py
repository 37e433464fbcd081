"""allowed → expired: it was let through and never begun, so that what was reserved for it goes back"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from audit.bell import ring

from ..models import Action, ActionState
from ..weighing import LAPSED
from . import action as actions
from . import probation


@transaction.atomic
def lapse(action: Action) -> Action:
    """Its reservation is over. Twice is harmless."""
    action = actions.lock(action)
    due = action.expires_at is not None and action.expires_at <= timezone.now()
    if action.state != ActionState.ALLOWED or not due:
        return action
    probation.return_probe(action)
    actions.release(action)
    action.state, action.code, action.state_reason = (
        ActionState.EXPIRED,
        "reservation_lapsed",
        LAPSED,
    )
    action.save(update_fields=["state", "code", "state_reason"])
    actions.tell("lapsed", action, before=ActionState.ALLOWED, by="clock", summary=LAPSED)
    ring(f"run.{action.run_id}", f"agent.{action.agent_id}", f"action.{action.pk}")
    return action
