"""Writing the record. Call inside the transaction whose change it tells of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

ADD = """
insert into audit_entry (kind, actor, about, team, agent, run, summary, data, at)
values (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, clock_timestamp())
"""

ADD_ALL = """
insert into audit_entry (kind, actor, about, team, agent, run, summary, data, at)
select e.kind, e.actor, e.about, e.team, e.agent, e.run, e.summary, e.data::jsonb, clock_timestamp()
  from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
       with ordinality as e (kind, actor, about, team, agent, run, summary, data, n)
 order by e.n
"""


class Recordable(Protocol):
    """Anything that can name itself in the record."""

    @property
    def record_name(self) -> str: ...

    @property
    def record_scope(self) -> dict[str, str]: ...


def record(
    kind: str,
    *,
    actor: Recordable | str,
    about: Recordable,
    summary: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Add one entry. `kind` is `noun.participle` (`hold.approved`); `summary` is one plain sentence.

    Somebody who acts through something (`actor.via`, a token) is still the actor; what it was stands in `data`.
    """
    scope = about.record_scope
    via = getattr(actor, "via", "")
    facts = {**(data or {}), "via": via} if via else data or {}
    with connection.cursor() as cursor:
        cursor.execute(
            ADD,
            [
                kind,
                actor if isinstance(actor, str) else actor.record_name,
                about.record_name,
                scope.get("team", ""),
                scope.get("agent", ""),
                scope.get("run", ""),
                summary,
                json.dumps(facts, cls=DjangoJSONEncoder),
            ],
        )


class Note(NamedTuple):
    """One of many entries: see `record` for the fields."""

    kind: str
    actor: str
    about: str
    team: str
    agent: str
    run: str
    summary: str = ""
    data: dict[str, Any] | None = None


def record_all(notes: Iterable[Note]) -> None:
    """Add many entries in one statement, in their order."""
    rows = [(*note[:-1], json.dumps(note.data or {}, cls=DjangoJSONEncoder)) for note in notes]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(ADD_ALL, [list(column) for column in zip(*rows, strict=True)])
