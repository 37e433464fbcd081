"""What the agent remembers: where every message stands, and what people told it.

Kept in SQLite beside the desk and written before and after each step, so that a process killed at any moment
finds its place again. The plan for a message (`Plan`) is written down before anything is filed: a second
attempt must do the same thing, not what a changed prompt would now make of it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from .messages import Message

Outcome = Literal["ticket", "review", "refusal"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    place    INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    batch    TEXT NOT NULL,
    words    TEXT NOT NULL,
    tries    INTEGER NOT NULL DEFAULT 1,
    plan     TEXT,
    waits    INTEGER NOT NULL DEFAULT 0,
    outcome  TEXT CHECK (outcome IN ('ticket', 'review', 'refusal')),
    because  TEXT NOT NULL DEFAULT '',
    answered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS message_open ON message (batch, place) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Entry:
    """One message and where it stands. `waits`: its refund is before a person."""

    message: Message
    tries: int
    plan: dict[str, Any] | None
    waits: bool
    outcome: Outcome | None
    because: str


class Ledger:
    """The agent's memory of one store."""

    def __init__(self, database: sqlite3.Connection, lock: threading.Lock) -> None:
        self._database = database
        self._lock = lock
        with lock:
            database.executescript(_SCHEMA)

    def take_in(self, batch: str, messages: Iterable[Message]) -> None:
        """Note messages as work of this batch. Those known already stay as they are."""
        rows = [(m.id, batch, json.dumps([m.text, m.sender, m.subject])) for m in messages]
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                "INSERT INTO message (id, batch, words) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET batch = excluded.batch WHERE outcome IS NULL",
                rows,
            )
            self._database.execute("COMMIT")

    def open(self, batch: str) -> list[tuple[str, bool]]:
        """What is not at its end, in order: ids, and whether it waits for a person."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, waits FROM message WHERE batch = ? AND outcome IS NULL ORDER BY place",
                [batch],
            ).fetchall()
        return [(row["id"], bool(row["waits"])) for row in rows]

    def entry(self, message_id: str) -> Entry | None:
        with self._lock:
            row = self._database.execute(
                "SELECT * FROM message WHERE id = ?", [message_id]
            ).fetchone()
        return _entry(row) if row else None

    def plan(self, message_id: str, plan: dict[str, Any]) -> None:
        self._write("UPDATE message SET plan = ? WHERE id = ?", [json.dumps(plan), message_id])

    def go_on(self, message_id: str, plan: dict[str, Any]) -> None:
        """Its refund is decided: this is the plan now."""
        self._write(
            "UPDATE message SET plan = ?, waits = 0 WHERE id = ?", [json.dumps(plan), message_id]
        )

    def wait(self, message_id: str) -> None:
        self._write("UPDATE message SET waits = 1 WHERE id = ?", [message_id])

    def end(self, message_id: str, outcome: Outcome, because: str = "") -> None:
        self._write(
            "UPDATE message SET outcome = ?, because = ?, waits = 0 WHERE id = ?",
            [outcome, because, message_id],
        )

    def again(
        self, message_id: str, tries: int, batch: str, plan: dict[str, Any] | None = None
    ) -> None:
        """A person answered its review: take it up once more, in this batch, `plan` in hand if given.

        `tries` says which giving up was answered: the same answer met twice changes nothing.
        """
        self._write(
            "UPDATE message SET outcome = NULL, plan = ?, waits = 0, tries = tries + 1, batch = ?"
            " WHERE id = ? AND tries = ? AND outcome = 'review'",
            [json.dumps(plan) if plan else None, batch, message_id, tries],
        )

    def answered(self, message_id: str, tries: int) -> None:
        """A person settled its review without the agent."""
        self._write(
            "UPDATE message SET answered = 1 WHERE id = ? AND tries = ?", [message_id, tries]
        )

    def before_people(self) -> int:
        """How many refunds and reviews nobody has answered yet."""
        with self._lock:
            row = self._database.execute(
                "SELECT count(*) AS n FROM message WHERE waits OR outcome = 'review' AND NOT answered"
            ).fetchone()
        return int(row["n"])

    def unfinished(self) -> list[str]:
        """Batches with messages that are not at their end, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT batch FROM message WHERE outcome IS NULL GROUP BY batch ORDER BY min(place)"
            ).fetchall()
        return [row["batch"] for row in rows]

    def counts(self, batch: str) -> dict[str, int]:
        """How many messages of the batch stand where: by outcome, `waiting` and `open`."""
        with self._lock:
            rows = self._database.execute(
                "SELECT coalesce(outcome, iif(waits, 'waiting', 'open')) AS stands, count(*) AS n"
                " FROM message WHERE batch = ? GROUP BY 1",
                [batch],
            ).fetchall()
        return {row["stands"]: row["n"] for row in rows}

    def note(self, name: str, default: Any = None) -> Any:
        with self._lock:
            row = self._database.execute("SELECT value FROM note WHERE name = ?", [name]).fetchone()
        return json.loads(row["value"]) if row else default

    def keep(self, name: str, value: Any) -> None:
        self._write("INSERT OR REPLACE INTO note VALUES (?, ?)", [name, json.dumps(value)])

    def _write(self, statement: str, values: list[Any]) -> None:
        with self._lock:
            self._database.execute(statement, values)


def _entry(row: sqlite3.Row) -> Entry:
    text, sender, subject = json.loads(row["words"])
    return Entry(
        message=Message(row["id"], text, sender, subject),
        tries=row["tries"],
        plan=json.loads(row["plan"]) if row["plan"] else None,
        waits=bool(row["waits"]),
        outcome=row["outcome"],
        because=row["because"],
    )
