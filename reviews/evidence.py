"""What belongs to a case, for evidence of it (`audit.evidence.finding`)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from agents.models import Agent
from audit.evidence.finding import Found, finders, namers
from people.models import Person

from . import cases


@dataclass(frozen=True)
class _Everybody:
    """Who has the machine sees what any team sees."""

    watches_everything: bool = True
    team_ids: tuple[UUID, ...] = ()


def find(pk: UUID) -> Found | None:
    found = cases.find(pk, cast(Person, _Everybody()))
    return of(found) if found else None


def of(case: cases.Case) -> Found:
    return Found(list(case.lines().values_list("pk", flat=True)), case.names)


def agent_names(named: set[str]) -> dict[str, str]:
    """Of a bundle's own entries, which their reader may read anyway."""
    ids = uuids(name.removeprefix("agent:") for name in named if name.startswith("agent:"))
    found = Agent.objects.filter(pk__in=ids).values_list("pk", "name")
    return {f"agent:{pk}": name for pk, name in found}


def uuids(texts: Iterable[str]) -> list[UUID]:
    found = []
    for text in texts:
        with suppress(ValueError):
            found.append(UUID(text))
    return found


finders.append(find)
namers.append(agent_names)
