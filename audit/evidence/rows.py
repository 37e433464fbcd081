"""Entries in the order of the log, read in batches; each line's text made anew from its columns.

The leaf that was kept (`audit_leaf.data`) is not asked: a column that was changed behind our back leads to another
text, another hash, and no proof.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from audit.rules.lines import Hashed, canonical, commitment

from .scope import Scope

AT_ONCE = 5_000
"""Places of the log that one query looks at: bounded, however few of them are wanted."""
READ = """
select f.index, f.hash, f.data, l.id, l.at, l.kind, l.version, l.actor, l.about, l.team, l.agent, l.run,
       p.salt, p.body
  from audit_leaf f join audit_line l on l.id = f.line
  left join audit_payload p on p.id = l.id and p.at = l.at
 where {where} order by f.index
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as a bundle holds it. `hash` is the tree's; `salt` and `body` are None when it was erased."""

    index: int
    hash: bytes
    leaf: str
    line: Hashed
    salt: UUID | None
    body: str | None

    @property
    def content(self) -> dict[str, Any]:
        """What it tells; nothing when that was erased or is no content."""
        try:
            found = json.loads(self.body or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def as_json(self) -> dict[str, Any]:
        """Its line of entries.jsonl."""
        told: dict[str, Any] = {"index": self.index, "leaf": self.leaf}
        if self.salt is None or self.body is None:
            return told | {"erased": True}
        return told | {"salt": self.salt.hex, "body": self.body}


def read(scope: Scope, size: int) -> Iterator[list[Row]]:
    """The entries of this scope that a tree of `size` holds, in batches."""
    where, values = scope.where()
    query = READ.format(where=where)
    for first, end in windows(scope, size):
        with connection.cursor() as cursor:
            cursor.execute(query, [first, end, *values])
            rows = [_row(*found) for found in cursor.fetchall()]
        if rows:
            yield rows


def windows(scope: Scope, size: int) -> Iterator[tuple[int, int]]:
    """Stretches of the log, one after another; a case's few lines are found by their numbers at once."""
    low, high = scope.stretch(size)
    step = size if scope.case else AT_ONCE
    for first in range(low, high, max(step, 1)):
        yield first, min(first + step, high)


def _row(index: int, hashed: bytes, kept: str, id: int, at: datetime, *rest: Any) -> Row:
    kind, version, actor, about, team, agent, run, salt, body = rest
    line = Hashed(id, at, kind, version, actor, about, team, agent, run)
    payload = _kept_commitment(kept) if salt is None else commitment(salt, body)
    return Row(index, bytes(hashed), canonical(line, payload), line, salt, body)


def _kept_commitment(kept: str) -> str:
    """What the line committed to: with the payload gone, only the leaf still says it."""
    try:
        return str(json.loads(kept)["payload"])
    except (ValueError, LookupError, TypeError):
        return ""
