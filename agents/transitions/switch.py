"""The big red switch: every active agent of a team, or of the house, paused by one deed in one transaction"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.errors import Conflict
from audit.ids import new_id
from audit.record import record, signature_of
from people.models import Person, Team
from people.permitting import check, said
from people.rules.permissions import Permission

from ..models import AgentState, Trip
from . import stopping, together

EVERYTHING = "everything"
TEAM = "team"


@transaction.atomic
def stop_team(team: Team, *, by: Person | str, reason: str) -> list[Trip]:
    """Pause every active agent of a team. Returns their stops, which have a group in common."""
    check(Permission.SWITCH_TEAM, by, team.pk)
    reason = said(Permission.SWITCH_TEAM, reason)
    made = thrown(TEAM, by=by, reason=reason, teams=[team.pk])
    record("team.stopped", actor=by, about=team, summary=reason, data=counted(made))
    return made


@transaction.atomic
def stop_everything(*, by: Person | str, reason: str) -> list[Trip]:
    """Pause every active agent of the house."""
    check(Permission.SWITCH_EVERYTHING, by, None)
    reason = said(Permission.SWITCH_EVERYTHING, reason)
    made = thrown(EVERYTHING, by=by, reason=reason)
    record("house.stopped", actor=by, about=House(), summary=reason, data=counted(made))
    return made


def thrown(switch: str, *, by: Person | str, reason: str, **whose: Any) -> list[Trip]:
    found = [one for one in together.lock_agents(**whose) if one.state == AgentState.ACTIVE]
    if not found:
        raise Conflict("No agent is active: there is nothing to stop.")
    return stopping.stop_all(
        found,
        group=new_id(),
        at=timezone.now(),
        reason=reason,
        evidence={"switch": switch},
        by=signature_of(by),
    )


def counted(made: list[Trip]) -> dict[str, Any]:
    return {"group": str(made[0].group), "agents": len(made)}


class House:
    """The whole floor, as the record names it."""

    record_name = "house"

    @property
    def record_scope(self) -> dict[str, str]:
        return {}
