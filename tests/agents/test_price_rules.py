"""Which price counts, and what tokens come to by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from agents.rules.prices import PriceBook, PriceRow, PriceSetting, checked
from audit.errors import Invalid

THEN = datetime(2026, 1, 1, tzinfo=UTC)
TEAM, OTHER = UUID(int=1), UUID(int=2)


def row(number: int, name: str, input: str = "1", **more: Any) -> PriceRow:
    given = {"team": None, "output": "2", "cached_input": None, "cache_write": None} | more
    for what in ("output", "cached_input", "cache_write"):
        given[what] = None if given[what] is None else Decimal(given[what])
    return PriceRow(
        id=number,
        name=name,
        input=Decimal(input),
        withdrawn=given.pop("withdrawn", False),
        valid_from=given.pop("valid_from", THEN),
        **given,
    )


BOOK = PriceBook(
    [
        row(1, "gpt-4o*", "1"),
        row(2, "gpt-4o-mini*", "2"),
        row(3, "gpt-4o-mini", "3"),
        row(4, "gpt-4o*", "4", team=TEAM),
        row(5, "late", "5", valid_from=THEN + timedelta(days=30)),
        row(6, "late", "6", valid_from=THEN + timedelta(days=60)),
        row(7, "wrong", "7"),
        row(8, "wrong", "8"),
        row(9, "gone", "9"),
        row(10, "gone", "9", withdrawn=True, valid_from=THEN + timedelta(days=1)),
        row(11, "*", "11", team=OTHER),
    ]
)


@pytest.mark.parametrize(
    ("model", "team", "days", "dollars"),
    [
        ("gpt-4o", None, 0, 1),
        ("GPT-4o-2026-01", None, 0, 1),
        ("gpt-4o-mini-x", None, 0, 2),  # the longest beginning
        ("gpt-4o-mini", None, 0, 3),  # the name itself
        ("gpt-4o-mini", TEAM, 0, 4),  # the team's own before the house's
        ("gpt-4o-mini", OTHER, 0, 11),
        ("gone", TEAM, 0, 9),  # none of its own: the house's
        ("late", None, 29, None),
        ("late", None, 31, 5),
        ("late", None, 61, 6),
        ("wrong", None, 0, 8),  # a later row of the same moment corrects
        ("gone", None, 0, 9),
        ("gone", None, 2, None),
        ("unheard of", None, 0, None),
        ("", OTHER, 0, None),
        ("gpt-4o", None, -1, None),
    ],
)
def test_which_price_counts(model: str, team: UUID | None, days: int, dollars: int | None) -> None:
    cost = BOOK.price(model, 1_000_000, 0, at=THEN + timedelta(days=days), team=team)

    assert cost == dollars


@pytest.mark.parametrize(
    ("tokens", "dollars"),
    [
        ({"input_tokens": 1_000, "output_tokens": 500}, "0.0125"),
        ({"input_tokens": 1_000, "output_tokens": 0, "cached": 400}, "0.0034"),
        (
            {"input_tokens": 1_000, "output_tokens": 0, "cached": 400, "cache_write": 100},
            "0.003525",
        ),
        ({"input_tokens": 0, "output_tokens": 0}, "0"),
        ({"input_tokens": 100, "output_tokens": 0, "cached": 400}, "0.0004"),  # never below none
        ({"input_tokens": 10**12, "output_tokens": 10**12}, "20000000"),
    ],
)
def test_cached_tokens_are_part_of_the_input(tokens: dict[str, Any], dollars: str) -> None:
    book = PriceBook([row(1, "m", "5", output="15", cached_input="1", cache_write="6.25")])

    assert book.price("m", **tokens, at=THEN) == Decimal(dollars)


def test_without_prices_of_their_own_cached_tokens_cost_as_others() -> None:
    book = PriceBook([row(1, "m", "5")])

    assert book.price("m", 1_000, 0, 400, cache_write=100, at=THEN) == Decimal("0.005")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"name": " "}, "A model’s name is needed"),
        ({"name": "gpt*4"}, "a star may stand at its end"),
        ({"input": Decimal("-1")}, "input must be dollars"),
        ({"output": Decimal("nan")}, "output must be dollars"),
        ({"cached_input": Decimal(10**7)}, "cached input must be dollars"),
        ({"valid_from": datetime(2026, 1, 1)}, "needs a time zone"),  # noqa: DTZ001
        ({"note": "x" * 501}, "500 characters"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(more: dict[str, Any], why: str) -> None:
    given: dict[str, Any] = {"name": "m", "input": Decimal(1), "output": Decimal(1)} | more

    with pytest.raises(Invalid, match=why):
        checked(PriceSetting(**given))
