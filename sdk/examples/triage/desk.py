"""The help desk: where tickets, refunds and refusals are written, in a SQLite file.

It plays the outside world. A transaction id can be written once; writing it again answers with what stands,
and `find` tells a process that died in between what it had done. Commits reach the disk before they return.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS filed (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    transaction_id TEXT NOT NULL UNIQUE,
    kind           TEXT NOT NULL CHECK (kind IN ('ticket', 'refund', 'refusal')),
    message_id     TEXT NOT NULL,
    category       TEXT NOT NULL DEFAULT '',
    words          TEXT NOT NULL DEFAULT '',
    amount         TEXT NOT NULL DEFAULT '',
    currency       TEXT NOT NULL DEFAULT '',
    filed_at       TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)
"""


def connect(path: Path) -> sqlite3.Connection:
    """One file for the desk and the agent's ledger; a killed process leaves it whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database


class Desk:
    """Tickets, refunds and refusals, each at most once."""

    def __init__(self, database: sqlite3.Connection, lock: threading.Lock | None = None) -> None:
        self._database = database
        self._lock = lock or threading.Lock()
        with self._lock:
            database.execute(_SCHEMA)

    def file(
        self, kind: str, transaction_id: str, message_id: str, **details: object
    ) -> dict[str, Any]:
        """Write it; a second time the same id gives the first one's number and adds nothing."""
        values = {
            "transaction_id": transaction_id,
            "kind": kind,
            "message_id": message_id,
            **{name: str(value) for name, value in details.items()},
        }
        columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self._lock:
            self._database.execute(
                f"INSERT INTO filed ({columns}) VALUES ({marks})"
                " ON CONFLICT (transaction_id) DO NOTHING",
                values,
            )
        found = self.find(transaction_id)
        if found is None:
            raise RuntimeError(f"{transaction_id} was filed and is not there")
        return found

    def find(self, transaction_id: str) -> dict[str, Any] | None:
        """What was filed under this id, or None."""
        with self._lock:
            row = self._database.execute(
                "SELECT number, kind, category, amount, currency FROM filed"
                " WHERE transaction_id = ?",
                [transaction_id],
            ).fetchone()
        return {k: v for k, v in dict(row).items() if v != ""} if row else None
