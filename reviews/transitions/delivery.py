"""approved → approved: a yes that its agent has not used is said again"""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from agents import signals
from agents.models import Action, ActionState
from agents.transitions.action import APPROVAL_VALID
from audit.bell import ring
from audit.errors import Conflict, NotFound
from audit.record import record
from people.models import Person

from ..models import Hold, HoldState
from . import seating
from .locking import locked
from .opening import bound, ring_hold


@transaction.atomic
def retry(hold: Hold | UUID, *, by: Person) -> Hold:
    """Tell the agent again. A yes that lapsed is renewed by one who could have given it alone."""
    hold = locked(hold)
    if not by.sees(hold.team_id):
        raise NotFound("There is no such hold.")
    if not seating.may_answer(hold, by):
        raise PermissionDenied("Your role reads here; deciding is for leads, ops and admins.")
    action = hold.action
    if hold.state != HoldState.DECIDED or action is None or action.state != ActionState.APPROVED:
        raise Conflict("This does not wait for its agent.")
    now = timezone.now()
    lapsed = action.expires_at is not None and action.expires_at <= now
    if lapsed:
        renew(hold, action, by)
    Action.objects.filter(pk=action.pk).update(delivered_at=None, expires_at=action.expires_at)
    record(
        "hold.redelivered",
        actor=by,
        about=hold,
        summary="Renewed and told again." if lapsed else "Told again.",
        data={**bound(hold), "renewed": lapsed},
    )
    signals.action_told_again.send(Action, action=action)
    ring(f"action.{action.pk}", f"decided.{action.run_id}", f"run.{action.run_id}")
    ring_hold(hold)
    return hold


def renew(hold: Hold, action: Action, by: Person) -> None:
    seating.seat_for(hold, by)
    if hold.votes_needed > 1:
        raise Conflict(
            "The approval lapsed. It needed several people, so the agent must ask again."
        )
    action.expires_at = timezone.now() + (hold.requirement.valid_for or APPROVAL_VALID)
