"""The record as people read it: narrowed, searched in a bounded stretch, each line leading to its subject."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404, QueryDict
from django.urls import reverse

from agents.models import Action, Agent, AgentKey, Breaker, Run, Trip
from agents.models.agent import AgentVersion
from agents.models.visible import VisibleQuerySet
from audit.models import Entry
from people.models import READS_RECORD, Person
from reviews.models import Hold

type Entries = QuerySet[Entry]

ENTRIES_ON_A_PAGE = 50
SEARCHED = 5_000
"""How many entries a free text is looked for in, newest first."""
EXPORTED = 10_000
SLACK = timedelta(minutes=2)
"""Entries are numbered when written and dated when their transaction began."""


@dataclass(frozen=True)
class Filters:
    """What the record is narrowed to; `problem` says which part of it cannot be meant."""

    kind: str = ""
    actor: str = ""
    about: str = ""
    agent: str = ""
    run: str = ""
    since: date | None = None
    until: date | None = None
    text: str = ""
    problem: str = ""

    @property
    def is_set(self) -> bool:
        return any((self.kind, self.actor, self.about, self.agent, self.run, self.text)) or bool(
            self.since or self.until
        )


@dataclass(frozen=True)
class Line:
    """One entry, with the names people know and the way to its subject where they may go there."""

    entry: Entry
    who: str
    url: str
    what: str


@dataclass(frozen=True)
class Slice:
    """Some lines. `older` continues; `searched_back_to` says where the searched stretch ends."""

    entries: list[Entry]
    older: int | None = None
    searched_back_to: datetime | None = None


def filters(query: QueryDict) -> Filters:
    days: dict[str, date | None] = {}
    problem = ""
    for name in ("since", "until"):
        text = query.get(name, "")
        try:
            days[name] = date.fromisoformat(text) if text else None
        except ValueError:
            days[name] = None
            problem = f"“{text[:40]}” is no date: write it as 2026-01-31."
    return Filters(
        kind=_text(query, "kind"),
        actor=_text(query, "actor"),
        about=_text(query, "about"),
        agent=_text(query, "agent"),
        run=_text(query, "run"),
        since=days["since"],
        until=days["until"],
        text=_text(query, "text"),
        problem=problem,
    )


def _text(query: QueryDict, name: str) -> str:
    return query.get(name, "").replace("\x00", "").strip()[:200]


def readable_by(person: Person) -> QuerySet[Entry]:
    """Entries of the teams in which this person's role reads the record; 404 where there is none."""
    teams = [team for team, role in person.roles.items() if role in READS_RECORD]
    if None in teams:
        return Entry.objects.all()
    if not teams:
        raise Http404
    return Entry.objects.filter(team__in=[str(team) for team in teams])


def narrowed(entries: QuerySet[Entry], by: Filters, *, zone: tzinfo) -> QuerySet[Entry]:
    """Everything but the free text, each through an index."""
    if by.kind:
        entries = (
            entries.filter(kind__startswith=by.kind)
            if by.kind.endswith(".")
            else entries.filter(kind=by.kind)
        )
    if by.actor:
        entries = entries.filter(actor__in=[by.actor, f"person:{by.actor}", f"agent:{by.actor}"])
    if by.about:
        entries = entries.filter(about=by.about)
    if by.agent:
        entries = entries.filter(agent=by.agent)
    if by.run:
        entries = entries.filter(run=by.run)
    if by.since:
        start = datetime.combine(by.since, time.min, zone)
        entries = entries.filter(at__gte=start, pk__gte=first_number_at(start - SLACK))
    if by.until:
        end = datetime.combine(by.until + timedelta(days=1), time.min, zone)
        entries = entries.filter(at__lt=end, pk__lt=first_number_at(end + SLACK))
    return entries


def first_number_at(at: datetime) -> int:
    """The number the record had reached at `at`, by halving: entries have no index on time."""
    newest = Entry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    low, high = 0, newest + 1
    while low < high:
        middle = (low + high) // 2
        found = Entry.objects.filter(pk__gte=middle).order_by("pk").values_list("pk", "at").first()
        if found is None or found[1] >= at:
            high = middle
        else:
            low = found[0] + 1
    return low


def read(entries: QuerySet[Entry], text: str, *, before: int | None, size: int) -> Slice:
    """The newest `size` entries before number `before` that hold the text."""
    if before is not None:
        entries = entries.filter(pk__lt=before)
    entries = entries.order_by("-pk")
    if not text:
        found = list(entries[: size + 1])
        return Slice(found[:size], older=found[size - 1].pk if len(found) > size else None)
    return _searched(entries, text, size)


def _searched(entries: QuerySet[Entry], text: str, size: int) -> Slice:
    stretch = entries[:SEARCHED]
    found = list(
        Entry.objects.filter(pk__in=stretch.values("pk"))
        .filter(
            Q(summary__icontains=text)
            | Q(kind__icontains=text)
            | Q(actor__icontains=text)
            | Q(about__icontains=text)
        )
        .order_by("-pk")[: size + 1]
    )
    if len(found) > size:
        return Slice(found[:size], older=found[size - 1].pk)
    last = entries.values_list("pk", "at")[SEARCHED - 1 : SEARCHED].first()
    if last is None:
        return Slice(found)
    return Slice(found, older=last[0], searched_back_to=last[1])


# -- names and ways --------------------------------------------------------------------------------


def told(entries: Sequence[Entry], person: Person) -> list[Line]:
    """Entries with names and links, in a handful of queries for the whole page."""
    ways = _ways(entries, person)
    names = _agent_names(entries, person)
    return [
        Line(
            entry,
            who=who(entry, names),
            url=ways.get(entry.about, ""),
            what=what(entry, names),
        )
        for entry in entries
    ]


def who(entry: Entry, names: dict[str, str]) -> str:
    """The actor as people say it: `ada`, `support-triage`, `support-triage’s breaker`, `the clock`."""
    kind, _, name = entry.actor.partition(":")
    match kind:
        case "person":
            return name
        case "agent":
            return names.get(name, "an agent")
        case "agents.breaker":
            owner = names.get(entry.agent)
            return f"{owner}’s breaker" if owner else "a breaker"
        case "clock":
            return "the clock"
    return entry.actor


def what(entry: Entry, names: dict[str, str]) -> str:
    """The subject in a word: an agent's name, else the kind of thing it is."""
    kind, _, pk = entry.about.partition(":")
    if kind == "person":
        return pk
    return names.get(pk) or kind.rpartition(".")[2]


def _agent_names(entries: Sequence[Entry], person: Person) -> dict[str, str]:
    ids = {entry.agent for entry in entries if entry.agent}
    ids |= {entry.actor[6:] for entry in entries if entry.actor.startswith("agent:")}
    found = Agent.objects.visible_to(person).filter(pk__in=uuids(ids))
    return {str(pk): name for pk, name in found.values_list("pk", "name")}


def _ways(entries: Sequence[Entry], person: Person) -> dict[str, str]:
    """Where each subject of this page is to be seen, for those that this person may see."""
    named: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        noun, _, pk = entry.about.partition(":")
        named[noun].add(pk)
    found: dict[str, str] = {
        entry.about: reverse("team", args=[entry.team])
        for entry in entries
        if entry.about.partition(":")[0] in PARTS_OF_TEAMS
        and any(person.sees(team) for team in uuids([entry.team]))
    }
    for noun, rows in WHOLE.items():
        if ids := uuids(named[noun]):
            visible = rows().visible_to(person).filter(pk__in=ids)
            page = noun.rpartition(".")[2]
            for pk in visible.values_list("pk", flat=True):
                found[f"{noun}:{pk}"] = reverse(page, args=[pk])
    if ids := uuids(named["agents.action"]):
        actions = Action.objects.visible_to(person).filter(pk__in=ids)
        for action, run in actions.values_list("pk", "run_id"):
            found[f"agents.action:{action}"] = reverse("action", args=[run, action])
    for noun, parts in PARTS_OF_AGENTS.items():
        if ids := uuids(named[noun]):
            own = parts().filter(pk__in=ids)
            if not person.watches_everything:
                own = own.filter(agent__team_id__in=person.team_ids)
            for pk, agent in own.values_list("pk", "agent_id"):
                found[f"{noun}:{pk}"] = reverse("agent", args=[agent])
    return found


WHOLE: dict[str, Callable[[], VisibleQuerySet[Any]]] = {
    "reviews.hold": Hold.objects.all,
    "agents.run": Run.objects.all,
    "agent": Agent.objects.all,
}
"""Subjects with a page of their own."""

PARTS_OF_TEAMS = {"team", "people.group"}
"""Subjects that are shown on their team's page."""

PARTS_OF_AGENTS: dict[str, Callable[[], QuerySet[Any]]] = {
    "agents.key": AgentKey.objects.all,
    "agents.breaker": Breaker.objects.all,
    "agents.trip": Trip.objects.all,
    "agents.version": AgentVersion.objects.all,
}
"""Subjects that are shown on their agent's page."""


def uuids(texts: Iterable[str]) -> list[UUID]:
    """Those that are ids; the record may speak of anything."""
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
