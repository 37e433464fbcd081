"""What a bundle is about: a case, or a period as somebody may read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import connection

from audit.errors import Invalid
from audit.rules.lines import moment

MOST_OF_CASE = 10_000
READ_WHOLE = 50_000
"""Up to so many leaves are looked through; in a larger log, time is looked for by halving first."""
SLACK = timedelta(hours=1)
"""Lines are dated when written and get their place after their transaction: almost, not quite, in one order."""
DATED = """
select f.index, l.at from audit_leaf f join audit_line l on l.id = f.line where f.index >= %s order by f.index limit 1
"""
OUTERMOST = """
select min(f.index), max(f.index) + 1 from audit_line l join audit_leaf f on f.line = l.id
 where l.at >= %s and l.at < %s and f.index < %s
"""
"""Halving alone would be led astray by one line that is dated otherwise than those around it."""
COUNT = """
select count(*) from audit_leaf f join audit_line l on l.id = f.line where {where}
"""
GONE = """
select f.index from audit_leaf f left join audit_line l on l.id = f.line
 where l.id is null and f.index >= %s and f.index < %s and (%s::bigint[] is null or f.line = any(%s)) limit 1
"""


@dataclass(frozen=True)
class Scope:
    """Which lines, and in words which. `teams` of None is every team; a case knows its lines, a period its time."""

    title: str
    case: str = ""
    names: tuple[str, ...] = ()
    """Of a case: everything that belongs to it, as lines name what they are about."""
    lines: tuple[int, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    teams: tuple[str, ...] | None = None

    @classmethod
    def of_case(
        cls,
        case: object,
        lines: Sequence[int],
        names: Sequence[str],
        *,
        teams: Sequence[str] | None = None,
    ) -> Self:
        """Everything about one action or hold. Raises Invalid when that is more than any bundle of a case holds."""
        if len(lines) > MOST_OF_CASE:
            raise Invalid(f"A case of more than {MOST_OF_CASE:,} entries: export its period.")
        allowed = None if teams is None else tuple(teams)
        return cls(f"Case {case}", str(case), tuple(names), tuple(sorted(lines)), teams=allowed)

    @classmethod
    def of_period(
        cls, since: datetime, until: datetime, *, teams: Sequence[str] | None = None
    ) -> Self:
        """From `since` up to, not including, `until`. Raises Invalid for a period that does not last."""
        if until <= since:
            raise Invalid("The period ends before it begins.")
        title = f"From {moment(since)} to {moment(until)}"
        allowed = None if teams is None else tuple(teams)
        return cls(title, since=since, until=until, teams=allowed)

    @property
    def about(self) -> dict[str, Any]:
        """As the manifest and the record say it."""
        teams = "all" if self.teams is None else list(self.teams)
        if self.since is None or self.until is None:
            return {"case": {"id": self.case, "names": list(self.names), "teams": teams}}
        period = {"from": moment(self.since), "to": moment(self.until), "teams": teams}
        return {"period": period}

    @classmethod
    def from_about(cls, about: dict[str, Any], lines: Sequence[int] = ()) -> Self:
        """The same again, from what `about` said."""
        if case := about.get("case"):
            return cls.of_case(case["id"], lines, case["names"], teams=_teams(case["teams"]))
        period = about["period"]
        since, until = (datetime.fromisoformat(period[name]) for name in ("from", "to"))
        return cls.of_period(since, until, teams=_teams(period["teams"]))

    def where(self) -> tuple[str, list[Any]]:
        """SQL about leaves `f` and lines `l`, and what stands for its parameters after the first two: from which
        place, and up to which."""
        parts, values = ["f.index >= %s", "f.index < %s"], list[Any]()
        wanted: list[tuple[str, Any]] = [("l.at >= %s", self.since), ("l.at < %s", self.until)]
        wanted.append(("l.team = any(%s)", None if self.teams is None else list(self.teams)))
        wanted.append(("f.line = any(%s)", list(self.lines) if self.case else None))
        for part, value in wanted:
            if value is not None:
                parts.append(part)
                values.append(value)
        return " and ".join(parts), values

    def stretch(self, size: int) -> tuple[int, int]:
        """Between which places its lines can only be."""
        if self.since is None or self.until is None or size <= READ_WHOLE:
            return 0, size
        with connection.cursor() as cursor:
            cursor.execute(OUTERMOST, [self.since, self.until, size])
            first, end = cursor.fetchone()
        low, high = _place(self.since - SLACK, size), _place(self.until + SLACK, size)
        return (low, high) if first is None else (min(low, first), max(high, end))

    def count(self, size: int) -> int:
        """How many entries that is, in a tree of `size`."""
        where, values = self.where()
        with connection.cursor() as cursor:
            cursor.execute(COUNT.format(where=where), [*self.stretch(size), *values])
            return int(cursor.fetchone()[0])

    def gone(self, size: int) -> int | None:
        """A place of the log whose line is not there any more: lines are never deleted, so that somebody did."""
        lines = list(self.lines) if self.case else None
        with connection.cursor() as cursor:
            cursor.execute(GONE, [*self.stretch(size), lines, lines])
            found = cursor.fetchone()
            return found[0] if found else None


def _place(at: datetime, size: int) -> int:
    """How many leaves the log had about then, by halving: lines have no index on time."""
    low, high = 0, size
    with connection.cursor() as cursor:
        while low < high:
            middle = (low + high) // 2
            cursor.execute(DATED, [middle])
            found = cursor.fetchone()
            if found is None or found[1] >= at:
                high = middle
            else:
                low = found[0] + 1
    return low


def _teams(said: Any) -> list[str] | None:
    return None if said == "all" else list(said)
