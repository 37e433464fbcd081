"""A team's working hours: set, and taken away again"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import transaction

from audit.changes import changed
from audit.errors import Invalid, NotFound
from audit.record import record

from ..models import Calendar, Team
from ..rules.calendar import Hours, mistakes
from .allowed import Doer, check_arranges

MOST_HOLIDAYS = 366
FIRST, LAST = date(2000, 1, 1), date(2199, 12, 31)


@transaction.atomic
def put(team: Team, hours: Hours, *, by: Doer) -> Calendar:
    """When the team works from now on. Deadlines that are set already stay. Raises Invalid (`extra["fields"]`)."""
    check_arranges(team, by)
    _check(hours)
    known = Calendar.objects.select_for_update().filter(team=team).first()
    before = facts(known) if known else None
    calendar, _ = Calendar.objects.update_or_create(
        team=team,
        defaults={
            "time_zone": hours.time_zone,
            "days": sorted(hours.days),
            "opens": hours.opens,
            "closes": hours.closes,
            "country": hours.country,
            "subdivision": hours.subdivision,
            "holidays": sorted(hours.holidays),
        },
    )
    was, now = changed(before, facts(calendar))
    record(
        "calendar.set",
        actor=by,
        about=team,
        summary=f"{team} works {calendar}",
        before=was,
        after=now,
    )
    return calendar


def facts(calendar: Calendar) -> dict[str, Any]:
    """What it says, for the record."""
    names = ("time_zone", "days", "opens", "closes", "country", "subdivision", "holidays")
    return {name: getattr(calendar, name) for name in names}


@transaction.atomic
def remove(team: Team, *, by: Doer) -> None:
    """The team works round the clock again."""
    check_arranges(team, by)
    calendar = Calendar.objects.select_for_update().filter(team=team).first()
    if calendar is None:
        raise NotFound("This team has no calendar.")
    record(
        "calendar.removed",
        actor=by,
        about=team,
        summary=f"{team} works round the clock",
        before=facts(calendar),
    )
    calendar.delete()


def _check(hours: Hours) -> None:
    wrong = mistakes(hours)
    if len(hours.holidays) > MOST_HOLIDAYS:
        wrong["holidays"] = f"A calendar can have {MOST_HOLIDAYS} days off of its own."
    elif any(not FIRST <= day <= LAST for day in hours.holidays):
        wrong["holidays"] = "Days off lie between the years 2000 and 2199."
    if wrong:
        refusal = Invalid(" ".join(wrong.values()))
        refusal.extra["fields"] = wrong
        raise refusal
