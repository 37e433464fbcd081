"""Writing the record. Call inside the transaction whose change it tells of.

An entry is three rows written by one statement: its line, which will be hashed into the tree, its payload, which
the line commits to and which may be erased one day, and a note for the sequencer that it waits (`audit.sequencing`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, Self

from django.core.serializers.json import DjangoJSONEncoder

from . import kinds, source
from .arrays import array, flat
from .written import Statement, send

ADD = """
with line as (
    insert into audit_line (kind, version, actor, about, team, agent, run)
    values (%(kind)s, %(version)s, %(actor)s, %(about)s, %(team)s, %(agent)s, %(run)s) returning id, at),
payload as (
    insert into audit_payload (id, at, body) select id, at, (%(body)s::jsonb)::text from line)
insert into audit_pending (id) select id from line
"""
"""Through jsonb, so that whatever can be written can be read again, also by PostgreSQL."""

ADD_ALL = """
with given as materialized (
    select nextval('audit_line_id_seq') as id, clock_timestamp() as at, e.*
      from (select * from unnest(%(kinds)s::text[], %(versions)s::smallint[], %(actors)s::text[], %(abouts)s::text[],
                                 %(teams)s::text[], %(agents)s::text[], %(runs)s::text[], %(bodies)s::text[])
              with ordinality as e (kind, version, actor, about, team, agent, run, body, n) order by e.n) e),
line as (
    insert into audit_line (id, at, kind, version, actor, about, team, agent, run)
    select id, at, kind, version, actor, about, team, agent, run from given order by id),
payload as (insert into audit_payload (id, at, body) select id, at, (body::jsonb)::text from given)
insert into audit_pending (id) select id from given
"""


_PERSON = len("person:00000000-0000-0000-0000-000000000000")


class Signature(str):
    """`person:ada`, readable where it is kept as text; the record, which cannot forget, knows them by their id.

    It travels as the text that it is, through verbs and unsaved rows, to whoever writes the entry.
    """

    record_name: str

    def __new__(cls, text: str, *, record_name: str) -> Self:
        made = super().__new__(cls, text)
        made.record_name = record_name
        return made


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
    before: Any = None,
    after: Any = None,
) -> None:
    """Add one entry. `kind` is `noun.participle` (`hold.approved`); `summary` is one plain sentence.

    Somebody who acts through something (`actor.via`, a token) is still the actor; what it was stands in `data`,
    as do `before` and `after`. Where it came from is found (`audit.source`). Raises `kinds.Undeclared`: a mistake.
    """
    told = noted(
        kind, actor=actor, about=about, summary=summary, data=data, before=before, after=after
    )
    send(entry(told))


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


def noted(
    kind: str,
    *,
    actor: Recordable | str,
    about: Recordable,
    summary: str = "",
    data: dict[str, Any] | None = None,
    before: Any = None,
    after: Any = None,
) -> Note:
    """What `record` would write, to be written with others."""
    scope = about.record_scope
    more = {"before": before, "after": after, "via": getattr(actor, "via", "") or None}
    facts = {**(data or {}), **{name: value for name, value in more.items() if value is not None}}
    team, agent, run = (scope.get(name, "") for name in ("team", "agent", "run"))
    return Note(kind, name_of(actor), about.record_name, team, agent, run, summary, facts)


def record_all(notes: Iterable[Note]) -> None:
    """Add many entries in one statement, in their order."""
    found = list(notes)
    if found:
        send(entries(found))


def entries(notes: Sequence[Note]) -> Statement:
    """What `record_all` sends."""
    columns = zip(*map(values, notes), strict=True)
    return ADD_ALL, {
        name: (flat if name == "versions" else array)(column)
        for name, column in zip(COLUMNS, columns, strict=True)
    }


def entry(note: Note) -> Statement:
    """What `record` sends."""
    return ADD, dict(zip(FIELDS, values(note), strict=True))


def values(note: Note) -> tuple[Any, ...]:
    """In the order of FIELDS."""
    version = kinds.check(note.kind, note.data).version
    told = body(note.summary, note.data or {})
    return note.kind, version, name_of(note.actor), *note[2:6], told


FIELDS = ("kind", "version", "actor", "about", "team", "agent", "run", "body")
COLUMNS = ("kinds", "versions", "actors", "abouts", "teams", "agents", "runs", "bodies")


def name_of(actor: Recordable | str) -> str:
    """As the record names them. Raises ValueError for a person's name: what is hashed cannot be erased."""
    name = getattr(actor, "record_name", "") or str(actor)
    if name.startswith("person:") and len(name) != _PERSON:
        raise ValueError(
            "The record names people by their id: pass the person, or their signature."
        )
    return name


def signature_of(by: Recordable | str) -> str:
    """As the other columns that say who it was keep them: readable, for they can be changed and deleted."""
    if isinstance(by, str):
        return by
    signature: str = getattr(by, "signature", "")
    return signature or by.record_name


def body(summary: str, data: dict[str, Any]) -> str:
    """A payload's JSON: what is told, and where it came from when that is known."""
    told: dict[str, Any] = {"data": data, "summary": summary}
    if where := source.current():
        told["source"] = where
    return json.dumps(told, cls=DjangoJSONEncoder)
