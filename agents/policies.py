"""Policies in force, compiled. Versions never change, so a process compiles each of them once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from audit.errors import Invalid
from people.rules.calendar import Hours, is_working

from .rules.policy import Case, Compiled, Ruling, compile_policy, judge_policies
from .rules.policy.document import POLICY_KEYS

MOST_KEPT = 5_000
MOST_RULES = 10_000
"""Over all kept versions. A compiled condition takes some 14 KB."""

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

_compiled: OrderedDict[UUID, Compiled] = OrderedDict()
"""Longest ago compiled first; those go first, and are compiled again when they are needed again."""
_keeping = Lock()


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


def named(row: Any) -> list[UUID]:
    """The versions that facts name."""
    return [pk for pk in (row.team_policy, row.policy) if pk is not None]


def known(row: Any) -> Policies | None:
    """The policies that facts name, where this process has compiled them already."""
    found = {pk: _compiled.get(pk) for pk in named(row)}
    return None if None in found.values() else in_force(row, found)


def learn(row: Any, documents: Iterable[Any]) -> Policies:
    """The policies that facts name, compiled from what POLICY_DOCUMENTS answered, and kept."""
    made = {found.id: compiled(msgspec.json.decode(found.document)) for found in documents}
    with _keeping:
        for pk, policy in made.items():
            _compiled[pk] = policy
            _compiled.move_to_end(pk)
        rules = sum(len(policy.rules) for policy in _compiled.values())
        while len(_compiled) > len(made) and (len(_compiled) > MOST_KEPT or rules > MOST_RULES):
            _, gone = _compiled.popitem(last=False)
            rules -= len(gone.rules)
    return in_force(row, made)


def in_force(row: Any, found: Mapping[UUID, Compiled | None]) -> Policies:
    return Policies(row.policy_version, found.get(row.team_policy), found.get(row.policy))


def compiled(document: dict[str, Any]) -> Compiled:
    """What judges: its tools and rules. What else stands in the document has no say here."""
    try:
        return compile_policy({key: document[key] for key in POLICY_KEYS if key in document})
    except Invalid:
        return compile_policy(UNREADABLE)


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
