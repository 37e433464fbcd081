"""Entries as sentences: with the names people know, ways to what they speak of, and how well each is proved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse

from agents.models import Action, Agent, AgentKey, Breaker, Run, Trip
from agents.models.agent import AgentVersion
from agents.models.visible import VisibleQuerySet
from audit import kinds
from audit.models import Entry, Leaf
from people.models import Person, Team
from reviews.models import Hold

LONGEST_NAME = 80
ID_LENGTH = 36

MARK = "\ue000"
"""Stands for a name while a sentence is made; texts are cleaned of it."""


@dataclass(frozen=True)
class Part:
    """A piece of a sentence, with the way to what it names."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Line:
    """One entry as people read it."""

    entry: Entry
    sentence: list[Part]
    url: str
    """Where its subject is to be seen, for those who may go there."""
    what: str
    index: int | None
    """Its place in the tree; None while it has none yet."""

    @property
    def leads_there(self) -> bool:
        """Whether the sentence has a link to its subject."""
        return any(part.url == self.url for part in self.sentence)

    @property
    def more(self) -> str:
        """Its own words, where the sentence does not say them already."""
        said = "".join(part.text for part in self.sentence).casefold()
        tool = str((self.entry.data or {}).get("tool", ""))
        rest = self.entry.summary.removeprefix(tool).strip() if tool else self.entry.summary
        return "" if rest.casefold() in said else rest


def told(entries: Sequence[Entry], person: Person) -> list[Line]:
    """Entries with names and links, in a handful of queries for the whole page."""
    ways = _ways(entries, person)
    names = names_in(entries, person)
    places = dict(
        Leaf.objects.filter(line__in=[entry.pk for entry in entries]).values_list("line", "index")
    )
    return [
        Line(
            entry,
            sentence=sentence(entry, names, ways),
            url=ways.get(entry.about, ""),
            what=kinds.named(entry.about, names),
            index=places.get(entry.pk),
        )
        for entry in entries
    ]


def sentence(entry: Entry, names: Mapping[str, str], ways: Mapping[str, str]) -> list[Part]:
    """What happened, its actor and its subject as links."""
    who = f"?{urlencode({'actor': entry.actor})}"
    links = [
        (entry.actor, ways.get(entry.actor) or reverse("record") + who),
        (entry.about, ways.get(entry.about, "")),
    ]
    marked = {name: f"{MARK}{n}{MARK}" for n, (name, _) in enumerate(links)}
    said = kinds.sentence(entry, {**names, **marked})
    parts: list[Part] = []
    for n, piece in enumerate(said.split(MARK)):
        if n % 2 and piece in ("0", "1"):
            name, url = links[int(piece)]
            parts.append(Part(kinds.named(name, names), url))
        elif piece:
            parts += _titled(piece, str((entry.data or {}).get("title", "")), links[1][1])
    return _capital(parts)


def _titled(text: str, title: str, url: str) -> list[Part]:
    """A hold is called by its title, which leads to it."""
    start = text.casefold().find(title.casefold()) if title and url else -1
    if start < 0:
        return [Part(text)]
    end = start + len(title)
    found = [Part(text[:start]), Part(text[start:end], url), Part(text[end:])]
    return [part for part in found if part.text]


def _capital(parts: list[Part]) -> list[Part]:
    """The clock, an agent, somebody: no sentence begins so. Names stay as they are."""
    if parts and parts[0].text.startswith(("the ", "an ", "a ", "somebody")):
        parts[0] = Part(parts[0].text[:1].upper() + parts[0].text[1:], parts[0].url)
    return parts


# -- names -----------------------------------------------------------------------------------------


def names_in(entries: Iterable[Entry], person: Person) -> dict[str, str]:
    """How people call those that these entries speak of, by their names in the record."""
    entries = list(entries)
    wanted = [name for entry in entries for name in (entry.actor, entry.about)]
    wanted += [f"agent:{entry.agent}" for entry in entries if entry.agent]
    for entry in entries:
        texts = (value for value in (entry.data or {}).values() if isinstance(value, str))
        wanted += [f"person:{text}" for text in texts if len(text) == ID_LENGTH]
    found = names_of(wanted, person)
    for entry in entries:  # a breaker is called after its agent
        owner = found.get(f"agent:{entry.agent}")
        for name in (entry.actor, entry.about):
            if owner and name.startswith("agents.breaker:"):
                found[name] = f"{owner}’s breaker"
    return found


def names_of(record_names: Iterable[str], person: Person) -> dict[str, str]:
    """Of those whom this person may see, in one query for each noun."""
    named: dict[str, set[str]] = defaultdict(set)
    for name in record_names:
        noun, _, pk = name.partition(":")
        named[noun].add(pk)
    found: dict[str, str] = {}
    for noun, rows, fields in _named(person):
        if ids := uuids(named[noun]):
            for pk, *texts in rows().filter(pk__in=ids).values_list("pk", *fields):
                said = " ".join(filter(None, texts)).replace(MARK, "")
                found[f"{noun}:{pk}"] = said[:LONGEST_NAME]
    return found


def _named(person: Person) -> list[tuple[str, Callable[[], Any], tuple[str, ...]]]:
    """Who has a name, whom of them this person may see, and by which fields."""
    return [
        ("person", Person.objects.all, ("name",)),
        ("agent", lambda: Agent.objects.visible_to(person), ("name",)),
        ("agents.run", lambda: Run.objects.visible_to(person), ("name",)),
        ("agents.action", lambda: Action.objects.visible_to(person), ("tool", "subject")),
        ("reviews.hold", lambda: Hold.objects.visible_to(person), ("title",)),
        ("team", Team.objects.all, ("name",)),
    ]


# -- ways ------------------------------------------------------------------------------------------


def _ways(entries: Sequence[Entry], person: Person) -> dict[str, str]:
    """Where each subject and each agent is to be seen, for those that this person may see."""
    named: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        for name in (entry.about, entry.actor):
            noun, _, pk = name.partition(":")
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
                if agent:
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
