"""The broker: cash, positions and postings in a SQLite file. It plays the outside world.

Every trade is two postings, one of cash and one of shares: a debit and a credit. Each carries a transaction id that
is posted at most once and can be looked up, so that a process killed between the two can tell which half is done.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

CASH = "USD"

OPENING = {
    CASH: "45000",
    "ALDR": "1500",
    "BRCH": "800",
    "CEDR": "2600",
    "ELMX": "520",
    "PINE": "1300",
}
"""What the demonstration account holds on its first day. The companies do not exist."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS posting (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    transaction_id TEXT NOT NULL UNIQUE,
    trade          TEXT NOT NULL,
    leg            TEXT NOT NULL CHECK (leg IN ('opening', 'debit', 'credit')),
    asset          TEXT NOT NULL,
    quantity       TEXT NOT NULL,
    posted_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (trade, leg, asset)
)
"""


@dataclass(frozen=True)
class Posting:
    """A change of one asset. `quantity` is negative where something leaves the account."""

    number: int
    trade: str
    leg: str
    asset: str
    quantity: Decimal

    def receipt(self) -> dict[str, Any]:
        return {"posting": self.number, "asset": self.asset, "quantity": str(self.quantity)}


class Broker:
    """An account at one broker."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(_SCHEMA)
        for asset, quantity in OPENING.items():
            self.post(f"opening:{asset}", "opening", "opening", asset, Decimal(quantity))

    def post(
        self, transaction_id: str, trade: str, leg: str, asset: str, quantity: Decimal
    ) -> Posting:
        """Post it; the same transaction id again changes nothing and answers with what stands."""
        self._database.execute(
            "INSERT INTO posting (transaction_id, trade, leg, asset, quantity)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (transaction_id) DO NOTHING",
            [transaction_id, trade, leg, asset, str(quantity)],
        )
        posted = self.find(transaction_id)
        if posted is None:
            raise RuntimeError(f"{transaction_id} was posted and is not there")
        return posted

    def find(self, transaction_id: str) -> Posting | None:
        """What was posted under this id, or None."""
        row = self._database.execute(
            "SELECT * FROM posting WHERE transaction_id = ?", [transaction_id]
        ).fetchone()
        return _posting(row) if row else None

    def legs(self, trade: str) -> list[Posting]:
        """The postings of one trade: two once it is settled."""
        rows = self._database.execute(
            "SELECT * FROM posting WHERE trade = ? ORDER BY number", [trade]
        )
        return [_posting(row) for row in rows]

    def holdings(self) -> dict[str, Decimal]:
        """How much of each asset the account holds: the sum of its postings."""
        held: dict[str, Decimal] = {}
        for row in self._database.execute("SELECT asset, quantity FROM posting"):
            held[row["asset"]] = held.get(row["asset"], Decimal(0)) + Decimal(row["quantity"])
        return held

    def close(self) -> None:
        self._database.close()


def _posting(row: sqlite3.Row) -> Posting:
    return Posting(row["number"], row["trade"], row["leg"], row["asset"], Decimal(row["quantity"]))
