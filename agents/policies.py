"""Policies in force, compiled. Versions never change, so a process compiles each of them once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from audit.errors import Invalid
from people.rules.calendar import Hours, is_working

from .rules.policy import Case, Compiled, Ruling, compile_policy, judge_policies

MOST_KEPT = 5_000

UNREADABLE = {
    "tools": ["*"],
    "rules": [
        {
            "name": "unreadable",
            "then": "deny",
            "because": "The policy cannot be read any more; somebody must save it again.",
        }
    ],
}
"""What stands for a version that an older release accepted and this one cannot read: everything is refused."""

_compiled: dict[UUID, Compiled] = {}


class Policies(NamedTuple):
    """The versions that judge one agent now, and their numbers as text (`"3.7"`: team's, agent's)."""

    version: str
    team: Compiled | None
    agent: Compiled | None

    def judge(self, case: Case) -> Ruling:
        return judge_policies(case, self.team, self.agent)

    @property
    def needs_calendar(self) -> bool:
        return any(p.uses_working_time for p in (self.team, self.agent) if p is not None)


def missing(row: Any) -> list[UUID]:
    """Versions that facts name and this process has not compiled yet."""
    return [pk for pk in (row.team_policy, row.policy) if pk is not None and pk not in _compiled]


def learn(rows: Iterable[Any]) -> None:
    """Compile what POLICY_DOCUMENTS answered."""
    for row in rows:
        if len(_compiled) >= MOST_KEPT:
            _compiled.pop(next(iter(_compiled)))
        _compiled[row.id] = compiled(msgspec.json.decode(row.document))


def compiled(document: dict[str, Any]) -> Compiled:
    try:
        return compile_policy(document)
    except Invalid:
        return compile_policy(UNREADABLE)


def in_force(row: Any) -> Policies:
    """The policies that facts name; everything `missing` was learned before."""
    return Policies(
        row.policy_version,
        None if row.team_policy is None else _compiled[row.team_policy],
        None if row.policy is None else _compiled[row.policy],
    )


def hours_of(row: Any) -> Hours | None:
    """What CALENDAR answered, as working hours; no row: round the clock."""
    if row is None:
        return None
    return Hours(
        time_zone=row.time_zone,
        days=frozenset(row.days),
        opens=row.opens,
        closes=row.closes,
        country=row.country,
        subdivision=row.subdivision,
        holidays=frozenset(row.holidays),
    )


def works_at(now: datetime, row: Any) -> bool:
    """Whether the team of this calendar row works now."""
    return is_working(now, hours_of(row))
