"""Searching the record by words: an index made of the log after the fact, outside of everybody's transactions.

`index_text` follows the log leaf by leaf, so that no line is missed and none is read twice. A line can be found
by words about a second after it was written; `behind` says how many cannot be found yet.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from . import words
from .bell import ring
from .plans import custom_plans

logger = logging.getLogger(__name__)

AT_ONCE = 2_000
SHORT = 8
"""So much of an id is shown where there is no room for the whole of it, and typed from there."""
NEWEST = 20_000
"""How many of the newest lines are looked through one by one: a common word has its page full by then. One that is
rare in them is read from the index for all of the rest, which the planner would not dare for a page's sake."""

BEGIN = "insert into audit_indexed (id, next) values (1, 0) on conflict do nothing"
TAKE = "select next from audit_indexed for update skip locked"
READ = """
select l.id, l.at, l.kind, l.actor, l.about, l.team, l.agent, l.run, p.body
  from audit_leaf f
  join audit_line l on l.id = f.line
  left join audit_payload p on p.id = l.id and p.at = l.at
 where f.index >= %s order by f.index limit %s
"""
WRITE = """
insert into audit_text (line, at, words)
select line, at, words::tsvector from unnest(%s::bigint[], %s::timestamptz[], %s::text[]) as t (line, at, words)
    on conflict do nothing
"""
MOVE = "update audit_indexed set next = %s"
SEARCH = """
select line from audit_text
 where ts_match_vq(words, %(query)s::tsquery) and line < %(top)s and line >= %(low)s
 order by line desc limit %(size)s
"""
"""The function instead of the operator `@@`, which the planner would look up in the index of all words."""
REST = """
with hits as materialized (
    select line from audit_text
     where words @@ %(query)s::tsquery and line < %(top)s and line >= %(low)s)
select line from hits order by line desc limit %(size)s
"""
AMONG = """
select t.line from audit_line l join audit_text t on t.line = l.id and t.at = l.at
 where (%(about)s = '' or l.about = %(about)s) and (%(run)s = '' or l.run = %(run)s and l.run <> '')
   and t.words @@ %(query)s::tsquery and l.id < %(top)s and l.id >= %(low)s order by l.id desc limit %(size)s
"""
"""Of one subject or one run: those are few, and the lines' own indexes know them."""
BEHIND = """
select (select count(*) from (select from audit_pending limit 100000) p)
       + greatest(0, coalesce((select max(index) + 1 from audit_leaf), 0)
                     - coalesce((select next from audit_indexed), 0))
"""


@transaction.atomic
def index_text(limit: int = AT_ONCE) -> int:
    """Read the words of up to `limit` more entries; how many there were. One at a time: who comes second does nothing.

    Whoever erases a payload takes the same row first (`audit_text_erased`), so that no word of it comes back.
    """
    with connection.cursor() as cursor:
        cursor.execute(BEGIN)
        cursor.execute(TAKE)
        row = cursor.fetchone()
        if row is None:
            return 0
        cursor.execute(READ, [row[0], limit])
        lines = cursor.fetchall()
        told = [(line[0], line[1], _vector(*line)) for line in lines if line[-1] is not None]
        if told:
            cursor.execute(WRITE, [list(column) for column in zip(*told, strict=True)])
        if lines:
            cursor.execute(MOVE, [row[0] + len(lines)])
    teams = {line[5] for line in lines if line[5]}
    if lines:
        ring("record", *(f"record.{team}" for team in sorted(teams)))
    return len(lines)


def index_all(*, within: float = 10.0) -> int:
    """All that there is, or as much as these seconds allow; how much that was."""
    total, end = 0, time.monotonic() + within
    while (found := index_text()) and time.monotonic() < end:
        total += found
    return total + found


def _vector(
    pk: int, at: Any, kind: str, actor: str, about: str, team: str, agent: str, run: str, body: str
) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        logger.warning("The payload of entry %s is no JSON: it cannot be found by its words.", pk)
        told = {}
    told = told if isinstance(told, dict) else {}
    parts = [
        str(told.get("summary", "")),
        words.text_of(told.get("data")),
        words.text_of(told.get("source")),
    ]
    ids = (kind, about, about[-SHORT:], run, actor, str(pk))
    return words.vector(" ".join([*ids, *parts]), facts(kind, actor, team, agent))


def facts(kind: str, actor: str, team: str, agent: str) -> list[str]:
    """What many lines have in common, as words to narrow a search by. What few have, the lines' own index finds."""
    noun = f"{kind.partition('.')[0]}."
    named = {"noun": noun, "kind": kind, "actor": actor, "agent": agent, "team": team}
    return [words.fact(name, value) for name, value in named.items() if value]


def search(
    query: str,
    *,
    about: str = "",
    run: str = "",
    before: int | None = None,
    since: int = 0,
    size: int = 50,
) -> Sequence[int]:
    """Numbers of entries that fit, the newest first. `query` is one of `audit.words`."""
    given: dict[str, str | int] = {"query": query, "about": about, "run": run}
    with custom_plans(), connection.cursor() as cursor:

        def looked(sql: str, low: int, top: int, size: int) -> list[int]:
            cursor.execute(sql, given | {"low": low, "top": top, "size": size})
            return [line for (line,) in cursor.fetchall()]

        cursor.execute("select coalesce(max(line), 0) + 1 from audit_text")
        top = cursor.fetchone()[0]
        top = top if before is None else min(top, before)
        if about or run:
            return looked(AMONG, since, top, size)
        middle = max(since, top - NEWEST)
        found = looked(SEARCH, middle, top, size)
        if len(found) < size and middle > since:
            found += looked(REST, since, middle, size - len(found))
    return found


def behind() -> int:
    """How many entries cannot be found by their words yet."""
    with connection.cursor() as cursor:
        cursor.execute(BEHIND)
        return int(cursor.fetchone()[0])
