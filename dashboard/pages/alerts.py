"""Alerts as people read them: what fires, who is told, what is silenced, and which channel fails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet
from django.http import QueryDict

from audit.constants import Constant
from people.models import Person, Role, Team
from reviews.models import (
    Alert,
    AlertState,
    Channel,
    Notification,
    Occurrence,
    Silence,
)
from reviews.models.alert import KIND_WORDS, decides
from reviews.rules.alerts import SEVERITIES, SEVERITY_WORDS, WARNING

from .keyset import Page, page

ON_A_PAGE = 50
OCCURRENCES_SHOWN = 20
MESSAGES_SHOWN = 50
SILENCES_SHOWN = 50

TABS = (
    ("", "Firing"),
    (AlertState.ACKNOWLEDGED, "Acknowledged"),
    (AlertState.RESOLVED, "Resolved"),
    ("all", "All"),
)
LENGTHS = (("1h", "1 hour"), ("4h", "4 hours"), ("1d", "1 day"), ("7d", "7 days"))
MEANINGS = {"critical": "stopped", "warning": "waits", "info": "probation"}


def shown(person: Person, query: QueryDict) -> Page[Alert]:
    """One page of alerts, the newest first."""
    rows: QuerySet[Alert] = Alert.objects.visible_to(person)
    state = query.get("state", "")
    if state != "all":
        known = state if state in AlertState.values else AlertState.FIRING
        rows = rows.filter(state=Constant(known))
    if query.get("severity") in SEVERITIES:
        rows = rows.filter(severity=query["severity"])
    return page(rows.select_related("team", "agent", "silence"), query, size=ON_A_PAGE)


@dataclass(frozen=True)
class Firing:
    """What the floor says in one line."""

    critical: int
    warning: int
    failing: list[Channel]

    @property
    def any(self) -> bool:
        return bool(self.critical or self.warning or self.failing)


def firing(person: Person) -> Firing:
    """Firing and not silenced, and graver than what waits in the inbox anyway."""
    rows = (
        Alert.objects.visible_to(person)
        .firing()
        .filter(severity__in=SEVERITIES[SEVERITIES.index(WARNING) :], silence=None)
        .values_list("severity")
        .annotate(count=Count("pk"))
        .order_by()
    )
    by_severity = dict(rows)
    return Firing(by_severity.get("critical", 0), by_severity.get("warning", 0), failing(person))


def failing(person: Person) -> list[Channel]:
    return list(Channel.objects.visible_to(person).failing().order_by("failing_since")[:10])


@dataclass(frozen=True)
class Silenced:
    """A silence with what it swallowed."""

    silence: Silence
    swallowed: int
    may_end: bool

    @property
    def words(self) -> str:
        return str(self.silence)


def silences(person: Person, now: datetime) -> list[Silenced]:
    """Those that are on, with how much they swallowed."""
    rows: Any = (
        Silence.objects.visible_to(person)
        .current(now)
        .select_related("team")
        .annotate(swallowed=Count("occurrences"))
        .order_by("until")[:SILENCES_SHOWN]
    )
    return [Silenced(row, row.swallowed, decides(person, row.team_id)) for row in rows]


def teams_decided_by(person: Person) -> list[tuple[str, str]]:
    """For whose alerts this person may say something: id and name, `""` for the house."""
    mine = Team.objects.order_by("name")
    found = [(str(team.pk), team.name) for team in mine if person.decides_for(team.pk)]
    return found + ([("", "The whole house")] if decides(person, None) else [])


def teams_arranged_by(person: Person) -> list[tuple[str, str]]:
    """Whose channels and routes this person arranges."""
    mine = Team.objects.order_by("name")
    found = [(str(team.pk), team.name) for team in mine if person.decides_for(team.pk)]
    is_admin = person.roles.get(None) == Role.ADMIN
    return found + ([("", "The whole house")] if is_admin else [])


def words() -> dict[str, Any]:
    """What forms offer."""
    return {
        "kinds": list(KIND_WORDS.items()),
        "severities": list(SEVERITY_WORDS.items()),
        "lengths": LENGTHS,
    }


def occurrences(alert: Alert) -> list[Occurrence]:
    return list(alert.occurrences.select_related("silence").order_by("-id")[:OCCURRENCES_SHOWN])


def messages_of(alert: Alert) -> list[Notification]:
    """What was sent of it, and where."""
    rows = alert.notifications.select_related("channel__team", "route").order_by("-id")
    return list(rows.defer("last_answer")[:MESSAGES_SHOWN])
