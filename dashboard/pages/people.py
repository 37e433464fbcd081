"""What the pages of people's affairs show: a team with its groups and hours, and who could stand in for me."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import holidays.registry
from django.db.models import Prefetch, Q, QuerySet
from django.http import Http404, QueryDict
from django.shortcuts import get_object_or_404

from people.models import DECIDES, Calendar, Delegation, Group, Membership, Person, Team
from people.rules.calendar import Hours, add_working, public_holidays

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MOST_PEOPLE = 500
SAMPLE = timedelta(hours=4)


# -- a team ----------------------------------------------------------------------------------------


def team(pk: UUID, person: Person) -> Team:
    """404 for those who may not know of it."""
    if not person.sees(pk):
        raise Http404
    return get_object_or_404(Team.objects.select_related("calendar"), pk=pk)


def members(team: Team) -> list[Membership]:
    """Who watches it, by a role in it or in every team."""
    found = Membership.objects.filter(Q(team=team) | Q(team=None)).select_related("person")
    return list(found.order_by("person__name")[:MOST_PEOPLE])


@dataclass(frozen=True)
class GroupShown:
    group: Group
    members: list[Person]
    others: list[Person]
    """Who watches the team, is here, and is not in it yet."""


def groups(team: Team, watching: list[Membership]) -> list[GroupShown]:
    those = {m.person_id: m.person for m in watching if m.person.is_active}
    found = Group.objects.filter(team=team).prefetch_related(
        Prefetch("members", Person.objects.order_by("name"))
    )
    return [
        GroupShown(
            group,
            inside := list(group.members.all()),
            [person for pk, person in those.items() if pk not in {one.pk for one in inside}],
        )
        for group in found
    ]


def calendar(team: Team) -> Calendar | None:
    return getattr(team, "calendar", None)


@dataclass(frozen=True)
class HoursForm:
    """The inputs of a calendar, as typed or as kept."""

    time_zone: str
    days: frozenset[str]
    opens: str
    closes: str
    country: str
    subdivision: str
    holidays: str

    @classmethod
    def of(cls, hours: Hours | None, zone: str) -> HoursForm:
        if hours is None:
            return cls(zone, frozenset("01234"), "09:00", "17:00", "", "", "")
        return cls(
            hours.time_zone,
            frozenset(map(str, hours.days)),
            f"{hours.opens:%H:%M}",
            f"{hours.closes:%H:%M}",
            hours.country,
            hours.subdivision,
            "\n".join(day.isoformat() for day in sorted(hours.holidays)),
        )

    @classmethod
    def typed(cls, form: QueryDict) -> HoursForm:
        def text(name: str) -> str:
            return form.get(name, "").strip()[:10_000]

        return cls(
            text("time_zone"),
            frozenset(form.getlist("days")),
            text("opens"),
            text("closes"),
            text("country").upper(),
            text("subdivision").upper(),
            text("holidays"),
        )

    def read(self) -> tuple[Hours, dict[str, str]]:
        """The hours, and what could not be read, by field."""
        wrong: dict[str, str] = {}
        opens, closes = _clock(self.opens), _clock(self.closes)
        for name, at in (("opens", opens), ("closes", closes)):
            if at is None:
                wrong[name] = "Write a time such as 09:00."
        off = set()
        for word in re.split(r"[\s,;]+", self.holidays):
            try:
                off |= {date.fromisoformat(word)} if word else set()
            except ValueError:
                wrong["holidays"] = f"“{word[:40]}” is no date: write it as 2026-01-31."
        hours = Hours(
            self.time_zone,
            frozenset(int(day) for day in self.days if day.isascii() and day.isdigit()),
            opens or time(9),
            closes or time(17),
            self.country,
            self.subdivision,
            frozenset(off),
        )
        return hours, wrong


def _clock(text: str) -> time | None:
    try:
        return time.fromisoformat(text).replace(tzinfo=None, microsecond=0)
    except ValueError:
        return None


def sample(hours: Hours, now: datetime) -> str:
    """`4 working hours from now is Tuesday 24 Nov, 10:30 in Europe/Berlin.`"""
    try:
        at = add_working(now, SAMPLE, hours).astimezone(ZoneInfo(hours.time_zone))
    except OverflowError:
        return "This calendar does not open often enough."
    return f"4 working hours from now is {at:%A} {at.day} {at:%b}, {at:%H:%M} in {hours.time_zone}."


def next_days_off(hours: Hours, now: datetime) -> list[date]:
    """The next three days off that would otherwise be worked."""
    today = now.astimezone(ZoneInfo(hours.time_zone)).date()
    off = hours.holidays.union(
        *(public_holidays(hours.country, hours.subdivision, today.year + n) for n in (0, 1))
    )
    return sorted(day for day in off if day >= today and day.weekday() in hours.days)[:3]


def countries() -> list[tuple[str, str]]:
    """Code and name of those whose holidays are known."""
    names = {
        codes[1]: re.sub(r"(?<=[a-z])(?=[A-Z])", " ", codes[0])
        for codes in holidays.registry.COUNTRIES.values()
    }
    return sorted(names.items(), key=lambda one: one[1])


# -- me --------------------------------------------------------------------------------------------


def who_could_stand_in(person: Person) -> list[Person]:
    """Who is here and watches one of the teams this person decides for."""
    decided = [team for team, role in person.roles.items() if role in DECIDES]
    if not decided:
        return []
    those = Person.objects.filter(is_active=True).exclude(pk=person.pk)
    if None in decided:
        those = those.filter(memberships__isnull=False)
    else:
        those = those.filter(Q(memberships__team=None) | Q(memberships__team__in=decided))
        those = those.filter(memberships__isnull=False)
    return list(those.distinct().order_by("name")[:MOST_PEOPLE])


def stand_ins(person: Person, now: datetime) -> QuerySet[Delegation]:
    """Who decides for me, or will."""
    given = Delegation.objects.filter(giver=person).not_over(now)
    return given.select_related("taker").order_by("starts_at")


def stands_in(person: Person, now: datetime) -> QuerySet[Delegation]:
    """For whom I decide, or will."""
    taken = Delegation.objects.filter(taker=person).not_over(now)
    return taken.select_related("giver").order_by("starts_at")
