"""Trades that bring a portfolio to its targets, and postings that happen once."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from rebalancer.broker import CASH, OPENING, Broker, Posting
from rebalancer.diary import Diary
from rebalancer.plan import TARGETS, TOLERANCE, prices, trades
from rebalancer.trading import whole_number


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker.sqlite3")
    yield broker
    broker.close()


def test_prices_are_fixed_by_day_and_seed() -> None:
    assert prices(3) == prices(3)
    assert prices(3) != prices(4)
    assert prices(3) != prices(3, seed=8)


def test_after_its_trades_every_position_is_near_its_target() -> None:
    market = prices(1)
    held = {asset: Decimal(quantity) for asset, quantity in OPENING.items()}

    for trade in trades("r", held, market):
        sign = 1 if trade.side == "buy" else -1
        held[trade.symbol] += sign * trade.quantity
        held[CASH] -= sign * trade.notional

    whole = held[CASH] + sum(held[symbol] * price for symbol, price in market.items())
    for symbol, share in TARGETS.items():
        assert abs(held[symbol] * market[symbol] / whole - Decimal(share)) < TOLERANCE
    assert trades("r", held, market) == []


def test_sells_come_before_buys() -> None:
    held = {asset: Decimal(quantity) for asset, quantity in OPENING.items()}
    sides = [trade.side for trade in trades("r", held, prices(1))]

    assert sides == sorted(sides, reverse=True)
    assert set(sides) == {"buy", "sell"}


def test_some_trades_need_a_person_and_some_do_not() -> None:
    held = {asset: Decimal(quantity) for asset, quantity in OPENING.items()}
    large = [trade.notional > 10_000 for trade in trades("r", held, prices(1))]

    assert True in large
    assert False in large


def test_a_leg_is_posted_once(broker: Broker) -> None:
    first = broker.post("t:debit", Posting("t", "debit", CASH, Decimal(-10)))
    again = broker.post("t:debit", Posting("t", "debit", CASH, Decimal(-99)))

    assert again == first
    assert broker.holdings()[CASH] == Decimal(OPENING[CASH]) - 10


def test_half_a_trade_says_what_is_owed(broker: Broker) -> None:
    broker.post("t:debit", Posting("t", "debit", CASH, Decimal(-10), "ALDR", Decimal(2)))

    [half] = broker.half_done()
    assert half.owed_asset == "ALDR"
    assert half.owed_quantity == 2

    broker.post("t:credit", Posting("t", "credit", "ALDR", Decimal(2)))
    assert broker.half_done() == []


def test_opening_a_store_again_adds_nothing(broker: Broker, tmp_path: Path) -> None:
    again = Broker(tmp_path / "broker.sqlite3")

    assert again.holdings() == broker.holdings()
    again.close()


def test_a_day_that_was_begun_keeps_its_trades(tmp_path: Path) -> None:
    held = {asset: Decimal(quantity) for asset, quantity in OPENING.items()}
    planned = trades("day-1.1", held, prices(1))
    Diary(tmp_path / "diary").plan(planned)

    diary = Diary(tmp_path / "diary")
    assert diary.trades == planned
    diary.next_attempt()
    assert diary.run_key == "day-1.2"
    assert Diary(tmp_path / "diary").trades is None
    diary.next_day()
    assert diary.run_key == "day-2.1"


@pytest.mark.parametrize("wrong", ["abc", "", None, -5, 0, 1.5, "NaN", "1e99", True])
def test_a_quantity_that_cannot_be_meant_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="not a number of shares"):
        whole_number(wrong)


@pytest.mark.parametrize("right", [30, "30", 30.0, " 30 "])
def test_a_quantity_as_a_person_writes_it(right: object) -> None:
    assert whole_number(right) == 30
