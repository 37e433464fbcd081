"""The broker: cash, positions and postings in a SQLite file. It plays the outside world.

Every trade is two postings, one of cash and one of shares: a debit and a credit. Each carries a transaction id that
is posted at most once and can be looked up, so that a process killed between the two can tell which half is done.
"""

from __future__ import annotations

import sqlite3
import threading
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
    owed_asset     TEXT NOT NULL DEFAULT '',
    owed_quantity  TEXT NOT NULL DEFAULT '0',
    posted_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (trade, leg, asset)
)
"""


@dataclass(frozen=True)
class Posting:
    """A change of one asset. `quantity` is negative where something leaves the account.

    A debit says what is owed for it: the credit that must follow.
    """

    trade: str
    leg: str
    asset: str
    quantity: Decimal
    owed_asset: str = ""
    owed_quantity: Decimal = Decimal(0)
    number: int = 0

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
        self._lock = threading.Lock()
        for asset, quantity in OPENING.items():
            opening = Posting("opening", "opening", asset, Decimal(quantity))
            self.post(f"opening:{asset}", opening)

    def post(self, transaction_id: str, posting: Posting) -> Posting:
        """Post it; the same transaction id again changes nothing and answers with what stands."""
        values = [posting.trade, posting.leg, posting.asset, str(posting.quantity)]
        owed = [posting.owed_asset, str(posting.owed_quantity)]
        with self._lock:
            self._database.execute(
                "INSERT INTO posting"
                " (transaction_id, trade, leg, asset, quantity, owed_asset, owed_quantity)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (transaction_id) DO NOTHING",
                [transaction_id, *values, *owed],
            )
        posted = self.find(transaction_id)
        if posted is None:
            raise RuntimeError(f"{transaction_id} was posted and is not there")
        return posted

    def find(self, transaction_id: str) -> Posting | None:
        """What was posted under this id, or None."""
        return next(iter(self._postings("WHERE transaction_id = ?", transaction_id)), None)

    def legs(self, trade: str) -> dict[str, Posting]:
        """The postings of one trade by leg: `debit` and `credit` once it is settled."""
        return {posting.leg: posting for posting in self._postings("WHERE trade = ?", trade)}

    def half_done(self) -> list[Posting]:
        """Debits whose credit never followed."""
        return self._postings(
            "AS debit WHERE leg = 'debit' AND NOT EXISTS"
            " (SELECT 1 FROM posting WHERE trade = debit.trade AND leg = 'credit')"
        )

    def holdings(self) -> dict[str, Decimal]:
        """How much of each asset the account holds: the sum of its postings."""
        held: dict[str, Decimal] = {}
        for posting in self._postings():
            held[posting.asset] = held.get(posting.asset, Decimal(0)) + posting.quantity
        return held

    def close(self) -> None:
        self._database.close()

    def _postings(self, which: str = "", *values: str) -> list[Posting]:
        with self._lock:
            rows = self._database.execute(
                f"SELECT * FROM posting {which} ORDER BY number", values
            ).fetchall()
        return [_posting(row) for row in rows]


def _posting(row: sqlite3.Row) -> Posting:
    return Posting(
        trade=row["trade"],
        leg=row["leg"],
        asset=row["asset"],
        quantity=Decimal(row["quantity"]),
        owed_asset=row["owed_asset"],
        owed_quantity=Decimal(row["owed_quantity"]),
        number=row["number"],
    )
