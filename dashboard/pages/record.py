"""The record as people search it: narrowed by what a line says, and by words, newest first, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cached_property

from django.db import connection
from django.db.models import QuerySet
from django.http import Http404, QueryDict

from agents.models import Agent
from audit import kinds, text, words
from audit.models import Entry, Line
from people.models import READS_RECORD, Person

type Lines = QuerySet[Line]

ENTRIES_ON_A_PAGE = 50
EXPORTED = 10_000
COUNTED = 10_000
"""How many of the newest entries the bars above the list count; a page says so when there are more."""
HITS = 1_001
"""The same of those that hold certain words, and one more: they are dearer to find."""
SLACK = timedelta(minutes=2)
"""Entries are numbered when written and dated a moment earlier or later."""


@dataclass(frozen=True)
class Filters:
    """What the record is narrowed to; `problem` says which part of it cannot be meant."""

    kind: str = ""
    actor: str = ""
    about: str = ""
    agent: str = ""
    run: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is not wanted any more."""
    text: str = ""
    problem: str = ""

    @property
    def is_set(self) -> bool:
        return any((self.kind, self.actor, self.about, self.agent, self.run, self.text)) or bool(
            self.since or self.until
        )


@dataclass(frozen=True)
class Slice:
    """Some entries; `older` continues."""

    entries: list[Entry]
    older: int | None = None


def filters(query: QueryDict, zone: tzinfo) -> Filters:
    moments: dict[str, datetime | None] = {}
    problem = ""
    for name in ("since", "until"):
        typed = _text(query, name)
        try:
            moments[name] = moment(typed, zone, is_end=name == "until") if typed else None
        except (ValueError, OverflowError):
            moments[name] = None
            problem = f"“{typed[:40]}” is no time: write it as 2026-01-31 or 2026-01-31T13:00."
    since, until = moments["since"], moments["until"]
    if since and until and since >= until:
        problem = "The time ends before it begins: change From or Until."
    typed = _text(query, "text")
    if typed and not words.query(typed):
        problem = "Say at least one word that the entries hold."
    return Filters(
        kind=_text(query, "kind"),
        actor=_text(query, "actor"),
        about=_text(query, "about"),
        agent=_text(query, "agent"),
        run=_text(query, "run"),
        since=since,
        until=until,
        text=typed,
        problem=problem,
    )


def moment(typed: str, zone: tzinfo, *, is_end: bool) -> datetime:
    """A day or a time of day, in this zone unless it names its own; a day as an end is its last moment."""
    if len(typed) == 10:
        day = date.fromisoformat(typed) + timedelta(days=1 if is_end else 0)
        return datetime.combine(day, time.min, zone)
    at = datetime.fromisoformat(typed)
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _text(query: QueryDict, name: str) -> str:
    return query.get(name, "").replace("\x00", "").strip()[:200]


# -- whose entries ---------------------------------------------------------------------------------


def teams_read_by(person: Person) -> list[str] | None:
    """Teams in which this person's role reads the record; None is all of it, 404 where there is none."""
    teams = [team for team, role in person.roles.items() if role in READS_RECORD]
    if None in teams:
        return None
    if not teams:
        raise Http404
    return [str(team) for team in teams]


def readable_by(person: Person) -> QuerySet[Entry]:
    """Entries that this person reads."""
    teams = teams_read_by(person)
    return Entry.objects.all() if teams is None else Entry.objects.filter(team__in=teams)


def lines_read_by(person: Person) -> Lines:
    """The same without their payloads."""
    teams = teams_read_by(person)
    return Line.objects.all() if teams is None else Line.objects.filter(team__in=teams)


# -- narrowing -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Search:
    """One person's look at the record."""

    person: Person
    wanted: Filters

    def newest(
        self, size: int, *, before: int | None = None, after: int | None = None
    ) -> list[int]:
        """Numbers of what fits, the newest first."""
        if self.wanted.text:
            is_known = before is None and after is None and size <= HITS
            return self._hits[:size] if is_known else self._by_words(size, before, after)
        lines = narrowed(lines_read_by(self.person), self.wanted, self.actors)
        if before is not None:
            lines = lines.filter(pk__lt=before)
        if after is not None:
            lines = lines.filter(pk__gt=after)
        return list(lines.order_by("-pk").values_list("pk", flat=True)[:size])

    def times(self, most: int) -> list[datetime]:
        """When the newest of what fits happened, the newest first."""
        if self.wanted.text:
            lines = Line.objects.filter(pk__in=self._hits)
        else:
            lines = narrowed(lines_read_by(self.person), self.wanted, self.actors)
        return list(lines.order_by("-pk").values_list("at", flat=True)[:most])

    @cached_property
    def _hits(self) -> list[int]:
        """The newest that hold the words: for the first page, and for the bars above it."""
        return self._by_words(HITS, None, None)

    @property
    def counted(self) -> int:
        """How many entries the bars may count."""
        return HITS - 1 if self.wanted.text else COUNTED

    def _by_words(self, size: int, before: int | None, after: int | None) -> list[int]:
        by = self.wanted
        query = words.query(by.text, named(self.person))
        if not query:
            return []
        low, high = bounds(by)
        if before is not None:
            high = min(high or before, before)
        query = " & ".join(filter(None, [f"({query})", words.facts_query(*self._facts())]))
        since = max(low or 0, (after or 0) + 1)
        return list(
            text.search(query, about=by.about, run=by.run, before=high, since=since, size=size)
        )

    def _facts(self) -> list[list[str]]:
        by = self.wanted
        teams = teams_read_by(self.person)
        said = {
            "noun" if by.kind.endswith(".") else "kind": [by.kind] if by.kind else [],
            "actor": self.actors,
            "agent": [by.agent] if by.agent else [],
            "team": teams or [],
        }
        return [[words.fact(name, one) for one in ones] for name, ones in said.items() if ones]

    @property
    def actors(self) -> list[str]:
        """How the record may name whoever was typed: `ada` is `person:<id>`."""
        typed = self.wanted.actor
        return (meant(self.person, typed) or [typed]) if typed else []


def narrowed(lines: Lines, by: Filters, actors: Sequence[str]) -> Lines:
    """Everything but the words, each through an index."""
    if by.kind.endswith("."):
        lines = lines.filter(
            kind__in=[kind.name for kind in kinds.every() if kind.noun == by.kind[:-1]]
        )
    elif by.kind:
        lines = lines.filter(kind=by.kind)
    if actors:
        lines = lines.filter(actor__in=actors)
        if all(actor.startswith("person:") for actor in actors):
            lines = lines.filter(actor__startswith="person:")  # which the index on people is for
    if by.about:
        lines = lines.filter(about=by.about)
    if by.agent:
        lines = lines.filter(agent=by.agent)
    if by.run:
        lines = lines.filter(run=by.run)
    low, high = bounds(by)
    if by.since:
        lines = lines.filter(at__gte=by.since, pk__gte=low)
    if by.until:
        lines = lines.filter(at__lt=by.until, pk__lt=high)
    return lines


def bounds(by: Filters) -> tuple[int | None, int | None]:
    """Numbers between which the wanted time lies, generously."""
    return (
        first_number_at(by.since - SLACK) if by.since else None,
        first_number_at(by.until + SLACK) if by.until else None,
    )


HALVING = """
with recursive half (low, high) as (
    select 0::bigint, coalesce(max(id), 0) + 1 from audit_line
    union all
    select case when f.id is null or f.at >= %(at)s then low else f.id + 1 end,
           case when f.id is null or f.at >= %(at)s then (low + high) / 2 else high end
      from half left join lateral (select id, at from audit_line where id >= (low + high) / 2
                                    order by id limit 1) f on true
     where low < high)
select max(low) from half
"""


def first_number_at(at: datetime) -> int:
    """The number the record had reached at `at`, by halving: lines have no index on time."""
    with connection.cursor() as cursor:
        cursor.execute(HALVING, {"at": at})
        return int(cursor.fetchone()[0])


def meant(person: Person, name: str) -> list[str]:
    """Whom somebody means by a name, as the record names them: lines know people and agents by their ids alone."""
    people = Person.objects.filter(name__iexact=name).values_list("pk", flat=True)[:5]
    agents = Agent.objects.visible_to(person).filter(name__iexact=name)
    return [f"person:{pk}" for pk in people] + [
        f"agent:{pk}" for pk in agents.values_list("pk", flat=True)[:20]
    ]


def named(person: Person) -> words.Names:
    """The same as words to look for: of a person their id, wherever it stands; of an agent all that is its own."""

    def found(name: str) -> list[str]:
        known = [one.partition(":") for one in meant(person, name)]
        return [pk if noun == "person" else words.fact("agent", pk) for noun, _, pk in known]

    return found


# -- reading ---------------------------------------------------------------------------------------


def read(
    search: Search, *, before: int | None = None, after: int | None = None, size: int
) -> Slice:
    """The newest `size` entries that fit, before or after a number."""
    numbers = search.newest(size + 1, before=before, after=after)
    more, numbers = len(numbers) > size, numbers[:size]
    entries = readable_by(search.person).filter(pk__in=numbers)
    by = search.wanted
    if by.text and by.since:
        entries = entries.filter(at__gte=by.since)
    if by.text and by.until:
        entries = entries.filter(at__lt=by.until)
    return Slice(list(entries.order_by("-pk")), older=numbers[-1] if more else None)
