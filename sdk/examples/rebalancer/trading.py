"""Placing trades: a person's yes where one is large, then a debit and a credit, each exactly once.

`trade.place` encloses its two postings. A process killed between them leaves it claimed and half done. The next
one looks at the broker's postings: a debit says which credit is owed for it, with the quantity that was approved, so
that half a trade is completed and never repeated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from watchfloor import Found, NotFound, Refused, Run

from .broker import CASH, Broker, Posting
from .pauses import Pauses
from .plan import Trade


def _nothing() -> None: ...


class Trader:
    """Places trades for one run. Only one process works on a store: what was claimed, we claimed."""

    def __init__(
        self, run: Run, broker: Broker, *, after_debit: Callable[[], None] = _nothing
    ) -> None:
        self._run = run
        self._broker = broker
        self._after_debit = after_debit
        self._said: list[str] = []
        self._stopped: BaseException | None = None

    def place_all(self, trades: list[Trade]) -> list[str]:
        """Sells before buys, side by side within each, so that one that waits holds up no other.

        Returns a sentence about each. Raises what stopped the run.
        """
        pauses = Pauses(self._run)
        for side in ("sell", "buy"):
            threads = [
                threading.Thread(target=self._place, args=[trade], name=trade.id, daemon=True)
                for trade in trades
                if trade.side == side
            ]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                pauses.look()
                threads[0].join(0.2)
                threads = [thread for thread in threads if thread.is_alive()]
            if self._stopped is not None:
                raise self._stopped
        return self._said

    def _place(self, trade: Trade) -> None:
        try:
            self._said.append(self.place(trade))
        except BaseException as error:
            self._stopped = error

    def place(self, trade: Trade) -> str:
        """Place one; waits for a person where the policy says so."""
        try:
            done = self._run.once(
                f"trade:{trade.id}",
                "trade.place",
                self._settle,
                arguments=trade.arguments(),
                subject=f"trade:{trade.id}",
                reason=trade.reason,
                amount=trade.notional,
                currency=CASH,
                verify=partial(self._settled, trade.id),
                takeover=True,
                retries=0,
            )
        except Refused as refused:
            return (
                f"{trade.symbol}: not traded, {refused.message or type(refused).__name__.lower()}"
            )
        except ValueError as error:
            return f"{trade.symbol}: not traded, {error}"
        return f"{trade.symbol}: {trade.side} of {done['quantity']} settled"

    def _settle(
        self, *, trade: str, symbol: str, side: str, quantity: Any, price: str, **_: Any
    ) -> dict[str, Any]:
        """Both postings, with the effective quantity: a person may have changed it."""
        shares = whole_number(quantity)
        money = shares * Decimal(price)
        given, taken = (CASH, money), (symbol, Decimal(shares))
        if side == "sell":
            given, taken = taken, given
        held = self._broker.holdings().get(given[0], Decimal(0))
        if held < given[1]:
            raise ValueError(f"{given[1]} {given[0]} are needed, the account holds {held}")
        debit = self._post(Posting(trade, "debit", given[0], -given[1], *taken))
        self._after_debit()
        credit = self._post(Posting(trade, "credit", *taken))
        return {"quantity": shares, "debit": debit, "credit": credit}

    def complete(self, debit: Posting) -> str:
        """Post the credit of a trade whose run was terminated between the two."""
        self._post(debit)
        credit = Posting(debit.trade, "credit", debit.owed_asset, debit.owed_quantity)
        self._post(credit)
        return f"{debit.trade}: completed with {credit.quantity} {credit.asset}"

    def _post(self, posting: Posting) -> Any:
        transaction_id = f"{posting.trade}:{posting.leg}"
        return self._run.once(
            transaction_id,
            f"ledger.{posting.leg}",
            lambda **_: self._broker.post(transaction_id, posting).receipt(),
            arguments={
                "trade": posting.trade,
                "asset": posting.asset,
                "quantity": str(posting.quantity),
            },
            subject=f"posting:{transaction_id}",
            verify=self._posted,
            takeover=True,
        )

    def _posted(self, transaction_id: str) -> Found | NotFound:
        posting = self._broker.find(transaction_id)
        return Found(posting.receipt()) if posting else NotFound()

    def _settled(self, trade: str, transaction_id: str) -> Found | NotFound:
        """What an earlier process did of this trade. Half of one is completed before it is found.

        A posting whose report died with that process is reported, too: `once` finds it at the broker.
        """
        legs = self._broker.legs(trade)
        if "debit" not in legs:
            return NotFound()
        for leg in legs.values():
            self._post(leg)
        if "credit" not in legs:
            self.complete(legs["debit"])
            legs = self._broker.legs(trade)
        shares = next(abs(posting.quantity) for posting in legs.values() if posting.asset != CASH)
        receipts = {leg: posting.receipt() for leg, posting in legs.items()}
        return Found({"quantity": int(shares), **receipts})


def whole_number(quantity: Any) -> int:
    """A number of shares as a person may write it. Raises ValueError."""
    try:
        number = Decimal(str(quantity))
    except InvalidOperation:
        raise ValueError(f"{quantity!r} is not a number of shares") from None
    if number != number.to_integral_value() or not 0 < number <= 1_000_000:
        raise ValueError(f"{quantity} is not a number of shares")
    return int(number)
