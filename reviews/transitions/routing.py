"""Who is to be told of an alert, read in one statement: an agent that is stopped waits for it"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from people.models import Calendar
from people.rules.calendar import add_working

from ..rules.alerts import Matter, route_fits, silence_fits

STANDING = """
select coalesce((select json_agg(json_build_object(
           'id', r.id, 'kinds', r.kinds, 'least', r.severity, 'agents', r.agents,
           'group', extract(epoch from r."group"), 'repeat', extract(epoch from r.repeat),
           'quiet', r.quiet, 'channels', array(
               select c.id from reviews_route_channels l join reviews_channel c on c.id = l.channel_id
                where l.route_id = r.id and c.state = 'active' order by c.id))
           order by r.team_id nulls last, r.position, r.id)
         from reviews_route r where r.team_id = %(team)s or r.team_id is null), '[]')::text,
       coalesce((select json_agg(json_build_object(
           'id', s.id, 'kind', s.kind, 'agent', s.agent, 'most', s.severity) order by s.id)
         from reviews_silence s
        where (s.team_id = %(team)s or s.team_id is null)
          and s.ended_at is null and s.until > %(now)s), '[]')::text,
       %(key)s <> '' and exists (select 1 from reviews_occurrence o where o.key = %(key)s)
"""


@dataclass(frozen=True, slots=True)
class Leading:
    """A route, and the channels it leads to that are not disabled."""

    id: UUID
    group: timedelta
    repeat: timedelta | None
    quiet: bool
    channels: tuple[UUID, ...]

    def awake(self, due: datetime, team: UUID | None) -> datetime:
        """A route that keeps quiet waits until its team works."""
        if not self.quiet or team is None:
            return due
        return add_working(due, timedelta(0), Calendar.objects.hours_of(team))


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for a matter now: its routes, the team's before the house's; the silence over it."""

    routes: tuple[Leading, ...]
    silence: UUID | None
    was_told: bool = False

    def repeat_at(self, now: datetime) -> datetime | None:
        return min((now + route.repeat for route in self.routes if route.repeat), default=None)


def arguments(team: UUID | None, now: datetime, key: str = "") -> dict[str, Any]:
    """For `STANDING`."""
    return {"team": team, "now": now, "key": key}


def standing(matter: Matter, team: UUID | None, now: datetime) -> Standing:
    with connection.cursor() as cursor:
        cursor.execute(STANDING, arguments(team, now))
        return read(matter, cursor.fetchone())


def read(matter: Matter, row: tuple[str, str, bool]) -> Standing:
    routes, silences, was_told = row
    return Standing(
        tuple(_leading(matter, json.loads(routes))), _silence(matter, silences), was_told
    )


def _leading(matter: Matter, routes: Iterable[dict[str, Any]]) -> Iterable[Leading]:
    for one in routes:
        if route_fits(matter, kinds=one["kinds"], least=one["least"], agents=one["agents"]):
            yield Leading(
                id=UUID(one["id"]),
                group=timedelta(seconds=float(one["group"])),
                repeat=None if one["repeat"] is None else timedelta(seconds=float(one["repeat"])),
                quiet=one["quiet"],
                channels=tuple(UUID(channel) for channel in one["channels"]),
            )


def _silence(matter: Matter, silences: str) -> UUID | None:
    for one in json.loads(silences):
        if silence_fits(matter, kind=one["kind"], agent=one["agent"], most=one["most"]):
            return UUID(one["id"])
    return None
