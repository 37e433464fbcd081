"""executing, and asked to stop: a person wishes it, the agent does it where it can"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict
from audit.record import record
from people.models import Person
from people.permitting import check, said
from people.rules.permissions import Permission

from ..models import Action, ActionState, Agent, Run
from . import action as actions


@transaction.atomic
def ask(action: Action | UUID, *, by: Person, reason: str = "") -> Action:
    """Ask for one action to be stopped. Twice is harmless."""
    action = actions.lock(action)
    check(Permission.CANCEL, by, action.agent.team_id)
    if action.state != ActionState.EXECUTING:
        raise Conflict(f"It is not under way: it is {action.get_state_display().lower()}.")
    asked([action], by=by, reason=said(Permission.CANCEL, reason))
    return action


@transaction.atomic
def ask_all(agent: Agent, run: Run | None = None, *, by: Person, reason: str = "") -> list[Action]:
    """Ask for everything of an agent, or of one run, that is under way. Returns what was not asked before."""
    agent = Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
    check(Permission.CANCEL, by, agent.team_id)
    found = Action.objects.filter(agent=agent, cancel_requested_at=None).executing()
    if run is not None:
        found = found.filter(run=run)
    runs = found.order_by("run_id").values_list("run_id", flat=True).distinct()
    list(Run.objects.select_for_update(no_key=True).filter(pk__in=list(runs)).order_by("pk"))
    actions_now = list(found.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    for one in actions_now:
        one.agent = agent
    asked(actions_now, by=by, reason=said(Permission.CANCEL, reason))
    return actions_now


def asked(found: list[Action], *, by: Person, reason: str) -> None:
    """Write it down and wake whoever must hear it."""
    now = timezone.now()
    for action in found:
        if action.cancel_requested_at is None:
            action.cancel_requested_at = now
            action.save(update_fields=["cancel_requested_at"])
            record(
                "action.cancel_asked",
                actor=by,
                about=action,
                summary=reason or action.tool,
                data={"tool": action.tool},
            )
    runs = {action.run_id for action in found}
    Run.objects.filter(pk__in=runs).update(control_version=F("control_version") + 1)
    for run in runs:
        ring(f"control.{run}", f"run.{run}", *{f"agent.{one.agent_id}" for one in found})
