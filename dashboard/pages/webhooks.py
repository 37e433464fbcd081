"""Webhooks as people look after them: where messages go, how each is doing, what became of every message."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.http import QueryDict
from django.utils import timezone

from audit import kinds
from audit.constants import Constant
from audit.models import Delivery, DeliveryState, Endpoint
from audit.models.outbox import teams_kept_by
from people.models import Person, Team

from .keyset import Page, page

ON_A_PAGE = 50
MOST_ROWS = 500

TABS = (
    ("", "All"),
    ("pending", "On their way"),
    ("delivered", "Delivered"),
    ("dead", "Dead"),
)

NOUNS = {
    "hold": "Holds",
    "action": "Actions",
    "agent": "Agents",
    "breaker": "Breakers",
    "trip": "Verdicts on trips",
    "team": "Teams",
    "budget": "Budgets",
    "limit": "Limits",
    "run": "Runs",
    "policy": "Policies",
    "endpoint": "Webhooks",
    "checkpoint": "Checkpoints of the record",
    "anchor": "Keeping checkpoints outside",
    "log": "The record’s log",
}
USUAL = frozenset({"hold.*", "action.unknown", "agent.paused"})
"""What a new webhook asks for, until one says otherwise."""


@dataclass(frozen=True)
class Row:
    """A webhook in the list."""

    endpoint: Endpoint
    team: str
    last: Delivery | None
    waiting: int
    has_dead: bool


@dataclass(frozen=True)
class Choice:
    """Events of one noun, as boxes to tick."""

    noun: str
    word: str
    is_whole: bool
    events: list[tuple[str, str, bool]]

    @property
    def some(self) -> int:
        return sum(chosen for _, _, chosen in self.events)


def rows(person: Person) -> list[Row]:
    """The newest webhooks this person keeps, each with its last message: four queries, however many."""
    mine = Delivery.objects.filter(endpoint=OuterRef("pk")).order_by()
    pending = mine.filter(state=Constant(DeliveryState.PENDING)).values("endpoint")
    found: list[Any] = list(
        Endpoint.objects.visible_to(person)
        .annotate(
            last=Subquery(mine.order_by("-pk").values("pk")[:1]),
            has_dead=Exists(mine.filter(state=Constant(DeliveryState.DEAD))),
            waiting=Subquery(pending.annotate(count=Count("pk")).values("count")),
        )
        .order_by("-pk")[:MOST_ROWS]
    )
    last = Delivery.objects.in_bulk([e.last for e in found if e.last])
    names = team_names({e.team for e in found})
    return [
        Row(e, names.get(e.team, e.team), last.get(e.last or 0), e.waiting or 0, e.has_dead)
        for e in found
    ]


def team_names(teams: set[str]) -> dict[str, str]:
    found = Team.objects.filter(pk__in=teams - {""})
    return {str(team.pk): team.name for team in found} | {"": "every team"}


def teams_of(person: Person) -> list[tuple[str, str]]:
    """Whose events this person may send somewhere: id and name, `""` for every team's."""
    kept = teams_kept_by(person)
    mine = Q() if "" in kept else Q(pk__in=kept)
    named = [(str(team.pk), team.name) for team in Team.objects.filter(mine).order_by("name")]
    return ([("", "Every team")] if "" in kept else []) + named


def choices(chosen: set[str] | frozenset[str]) -> list[Choice]:
    public = kinds.public()
    return [
        Choice(
            noun,
            NOUNS[noun],
            f"{noun}.*" in chosen,
            [(f"{noun}.{word}", word, f"{noun}.{word}" in chosen) for word in public[noun]],
        )
        for noun in sorted(public, key=list(NOUNS).index)
    ]


def in_words(events: list[str]) -> str:
    """`all of holds, action.unknown`"""
    return ", ".join(
        f"all of {NOUNS[name[:-2]].lower()}" if name.endswith(".*") else name for name in events
    )


def deliveries(endpoint: Endpoint, query: QueryDict) -> Page[Delivery]:
    found: QuerySet[Delivery] = endpoint.deliveries.defer("body", "last_answer", "tries")
    state = query.get("state", "")
    if state in DeliveryState.values:
        found = found.filter(state=Constant(state))
    return page(found, query, size=ON_A_PAGE, key=_number)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(text)
    return int(text)


def waiting(endpoint: Endpoint) -> int:
    return endpoint.deliveries.filter(state=Constant(DeliveryState.PENDING)).count()


def content(delivery: Delivery) -> Any:
    """What the message says, to look through; None before it is written."""
    return json.loads(delivery.body) if delivery.body else None


def tries(delivery: Delivery) -> list[dict[str, Any]]:
    """How each try went, the newest first."""
    return [line | {"at": datetime.fromisoformat(line["at"])} for line in reversed(delivery.tries)]


def is_resting(endpoint: Endpoint) -> bool:
    return endpoint.rests_until is not None and endpoint.rests_until > timezone.now()
