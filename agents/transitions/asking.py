"""proposed → held, or answered from memory: asking a person, once, and not about what was answered before"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from audit.errors import Invalid
from people.rules.calendar import add_working

from .. import policies, signals
from .. import statements as sql
from ..admissions import write_admissions
from ..models import Action, ActionState
from ..models.action import Decision
from ..rules.admission import Judgement
from ..rules.policy import Requirement
from ..shapes import Proposed
from ..weighing import Weighed, encode
from .rows import first


def twin(row: Any, run_id: UUID, proposed: Proposed) -> UUID | None:
    """The same request of this run that waits for a person already, asked under another call id.

    The same in all that rules and people look at: what is asked for another person, or claims another
    amount, may need other approvals.
    """
    request = proposed.request
    return (
        Action.objects.filter(agent=row.agent_id, run=run_id)
        .waiting()
        .filter(
            state=ActionState.HELD,
            digest=proposed.digest,
            kind=request.kind,
            amount=request.amount,
            currency=request.currency,
            on_behalf_of=request.on_behalf_of or row.on_behalf_of,
        )
        .order_by("id")
        .values_list("pk", flat=True)
        .first()
    )


def ask(row: Any, proposed: Proposed, weighed: Weighed) -> tuple[Judgement, str]:
    """Hold it, or give the answer a person gave to the same request before. Returns the Action as JSON."""
    assert weighed.row is not None
    requirement = weighed.judgement.requirement or Requirement()
    if before := rejected_before(row, proposed, requirement):
        return remember(before, proposed, weighed)
    held = weighed.row | {
        "expires_at": deadline(row, proposed, requirement),
        "revises_id": asked_about(row, proposed, weighed.row["run_id"]),
    }
    told = write(weighed.counted, held)
    action = Action.objects.select_related("agent__team", "run", "revises").get(pk=held["id"])
    signals.action_held.send(Action, action=action, queue=proposed.request.queue)
    return weighed.judgement, told


def write(counted: sql.Counted, admission: dict[str, Any]) -> str:
    """Write one admission. Returns the Action as JSON."""
    told: str = first(write_admissions(counted), rows=encode([admission]).decode()).action_json
    return told


def rejected_before(row: Any, proposed: Proposed, requirement: Requirement) -> Action | None:
    """The same request of this agent that a person rejected not long ago, and nobody approved since."""
    since: datetime = row.now_at - requirement.remember
    same = Action.objects.filter(agent=row.agent_id, digest=proposed.digest)
    before = (
        same.filter(decision=Decision.REJECTED, remembered=None, decided_at__gt=since)
        .order_by("-decided_at")
        .first()
    )
    if before is None:
        return None
    approved = same.filter(
        item=proposed.item, decision=Decision.APPROVED, decided_at__gt=before.decided_at
    )
    return None if approved.exists() else before


def remember(before: Action, proposed: Proposed, weighed: Weighed) -> tuple[Judgement, str]:
    """Answer at once: nobody is asked the same twice, however often a model tries."""
    assert weighed.row is not None
    words = before.message
    judgement = replace(
        weighed.judgement,
        admission="denied",
        code="rejected_before",
        reason=words,
        requirement=None,
    )
    rejected = weighed.row | {
        "state": ActionState.REJECTED,
        "code": judgement.code,
        "state_reason": words,
        "expires_at": None,
        "entry_kind": "action.remembered",
        "accounts": [],
        "is_admitted": False,
        "is_counted": False,
    }
    write(sql.Counted(), rejected)
    Action.objects.filter(pk=rejected["id"]).update(
        decision=Decision.REJECTED,
        message=words,
        decided_by=before.decided_by,
        decided_at=rejected["created_at"],
        delivered_at=rejected["created_at"],
        remembered=before,
    )
    return judgement, first(sql.ACTION_JSON, action=rejected["id"])[0]


def deadline(row: Any, proposed: Proposed, requirement: Requirement) -> datetime:
    """When nobody will be waited for any longer: as policy says, else as the agent asked."""
    now: datetime = row.now_at
    within = requirement.within or timedelta(seconds=proposed.request.expires_in_s)
    if requirement.working_time:
        hours = policies.hours_of(first(sql.CALENDAR, team=row.team_id))
        until = add_working(now, within, hours)
    else:
        until = now + within
    return until if proposed.waits_at_most is None else min(until, now + proposed.waits_at_most)


def asked_about(row: Any, proposed: Proposed, run_id: UUID) -> UUID | None:
    """The request a person had a question about, of which this is the next version."""
    asked = Action.objects.filter(agent=row.agent_id, decision=Decision.ASKED, revisions=None)
    if named := proposed.request.revises:
        if not asked.filter(pk=named).exists():
            raise Invalid("revises: no question about that request waits for a new version.")
        return named
    return (
        asked.filter(run=run_id, tool=proposed.request.tool)
        .order_by("-id")
        .values_list("pk", flat=True)
        .first()
    )
