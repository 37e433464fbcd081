"""Silences: begun for a reason, ended by a person or the clock"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict, Invalid, NotFound
from audit.record import record
from people.models import Person, Team

from ..models import Silence
from ..models.alert import decides
from ..rules.alerts import KINDS, SEVERITIES

LONGEST = timedelta(days=30)
LONGEST_REASON = 300
NOT_YOURS = "Your role reads here; leads, ops and admins silence alerts."


@transaction.atomic
def create(
    team: Team | None,
    *,
    kind: str = "",
    agent: str = "",
    severity: str,
    length: timedelta,
    reason: str,
    by: Person,
) -> Silence:
    """From now on nobody is told of what fits; it is seen on its page all the same."""
    check(team, by)
    reason, agent = reason.strip(), agent.strip()
    if not reason:
        raise Invalid("Say why: those who wonder about the quiet read it.")
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise Invalid(f"A reason has at most {LONGEST_REASON} visible characters.")
    if kind and kind not in KINDS:
        raise Invalid("There is no such kind of alert.")
    if severity not in SEVERITIES:
        raise Invalid("Say up to which severity: info, warning or critical.")
    if len(agent) > 200 or (agent and not agent.isprintable()):
        raise Invalid("An agent's name has at most 200 visible characters.")
    if not timedelta(0) < length <= LONGEST:
        raise Invalid(f"A silence lasts up to {LONGEST.days} days.")
    silence = Silence.objects.create(
        team=team,
        kind=kind,
        agent=agent,
        severity=severity,
        reason=reason,
        by=by.signature,
        until=timezone.now() + length,
    )
    data = {"kind": kind, "agent": agent, "severity": severity, "until": silence.until.isoformat()}
    record("silence.begun", actor=by, about=silence, summary=f"{silence}: {reason}", data=data)
    ring("silences", "alerts")
    return silence


@transaction.atomic
def end(pk: UUID, *, by: Person) -> Silence:
    """People are told again, also of what still fires."""
    seen = Silence.objects.visible_to(by).select_for_update(of=("self",), no_key=True)
    silence = seen.select_related("team").filter(pk=pk).first()
    if silence is None:
        raise NotFound("There is no such silence.")
    check(silence.team, by)
    now = timezone.now()
    if not silence.is_on(now):
        raise Conflict("This silence is over already.")
    silence.ended_at, silence.ended_by = now, by.signature
    silence.save(update_fields=["ended_at", "ended_by"])
    was, is_now = {"until": silence.until.isoformat()}, {"until": now.isoformat()}
    record(
        "silence.ended",
        actor=by,
        about=silence,
        summary=str(silence),
        before=was,
        after=is_now,
    )
    ring("silences", "alerts")
    return silence


def check(team: Team | None, by: Person) -> None:
    """Strangers do not learn of it, readers are told why not."""
    if team is not None and not by.sees(team.pk):
        raise NotFound("There is no such team.")
    if not decides(by, team.pk if team else None):
        raise PermissionDenied(NOT_YOURS)
