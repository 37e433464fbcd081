"""From holdings, prices and targets to trades. Pure: the same inputs give the same trades."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal

from .broker import CASH

TARGETS = {"ALDR": "0.28", "BRCH": "0.22", "CEDR": "0.15", "ELMX": "0.20", "PINE": "0.10"}
"""Shares of the whole by asset; what is left stays cash."""

_START = {"ALDR": 118.0, "BRCH": 241.5, "CEDR": 42.75, "ELMX": 377.0, "PINE": 65.2}

TOLERANCE = Decimal("0.005")
"""A position this close to its target is left alone: trading costs more than it mends."""


@dataclass(frozen=True)
class Trade:
    """An order to bring one position to its target."""

    id: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: int
    price: Decimal
    reason: str

    @property
    def notional(self) -> Decimal:
        return self.quantity * self.price

    @classmethod
    def from_arguments(cls, said: Mapping[str, Any]) -> Trade:
        """The trade that gave these arguments."""
        return cls(
            said["trade"],
            said["symbol"],
            said["side"],
            int(said["quantity"]),
            Decimal(said["price"]),
            said["reason"],
        )

    def arguments(self) -> dict[str, Any]:
        """What the broker is told, and what a person sees and may edit."""
        return {
            "trade": self.id,
            "symbol": self.symbol,
            "side": self.side,
            "quantity": self.quantity,
            "price": str(self.price),
            "notional": str(self.notional),
        }


def prices(day: int, *, seed: int = 7) -> dict[str, Decimal]:
    """Made-up closing prices: a slow wave with noise, fixed by the day and the seed."""
    return {symbol: _price(symbol, day, seed) for symbol in _START}


def trades(run: str, holdings: Mapping[str, Decimal], market: Mapping[str, Decimal]) -> list[Trade]:
    """What `run` should trade. Sells first, so that the buys can be paid for."""
    worth = {symbol: holdings.get(symbol, Decimal(0)) * price for symbol, price in market.items()}
    whole = holdings.get(CASH, Decimal(0)) + sum(worth.values())
    wanted = []
    for symbol, price in market.items():
        share = Decimal(TARGETS.get(symbol, "0"))
        gap = share * whole - worth[symbol]
        quantity = int((abs(gap) / price).to_integral_value(ROUND_DOWN))
        if abs(gap) <= TOLERANCE * whole or not quantity:
            continue
        side: Literal["buy", "sell"] = "buy" if gap > 0 else "sell"
        why = (
            f"{symbol} is {worth[symbol] / whole:.1%} of the portfolio and should be {share:.1%};"
            f" {side} {quantity} at {price}."
        )
        wanted.append(Trade(f"{run}-{symbol}", symbol, side, quantity, price, why))
    return sorted(wanted, key=lambda trade: (trade.side == "buy", trade.symbol))


def _price(symbol: str, day: int, seed: int) -> Decimal:
    drawn = hashlib.sha256(f"{seed}:{symbol}:{day}".encode()).digest()
    noise = int.from_bytes(drawn[:4], "big") / 2**32 - 0.5
    phase = int.from_bytes(hashlib.sha256(symbol.encode()).digest()[:4], "big") % 628 / 100
    factor = 1 + 0.12 * math.sin(day / 3 + phase) + 0.06 * noise
    return Decimal(str(round(_START[symbol] * factor, 2)))
