from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from watchfloor.jsonable import digest, encode, is_faithful, is_stored, jsonable, storable


@dataclass
class Point:
    x: int


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "json", "faithful"),
    [
        ({"a": [1, 2.5, None, True, "é"]}, {"a": [1, 2.5, None, True, "é"]}, True),
        ((1, 2), [1, 2], True),
        (math.nan, "nan", False),
        (Decimal("1.20"), "1.20", False),
        (datetime(2026, 11, 21, tzinfo=timezone.utc), "2026-11-21T00:00:00+00:00", False),
        ({3: 4}, {"3": 4}, False),
        ({"b", "a"}, ["a", "b"], False),
        (Point(1), {"x": 1}, False),
        (Colour.RED, "red", False),
        ("a\x00b", "a\ufffdb", False),
    ],
)
def test_values_become_the_nearest_json(value: Any, json: Any, faithful: bool) -> None:
    assert jsonable(value) == json
    assert is_faithful(value) is faithful


def test_digests_ignore_the_order_of_keys_and_nothing_else() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})


def test_a_result_that_reads_back_differently_is_not_stored_as_if_it_did() -> None:
    assert storable({"a": 1}) == {"a": 1}
    assert not is_stored(storable(Point(1)))
    assert storable(Point(1), anyway=True) == {"x": 1}
    assert not is_stored(storable("x" * 70_000, anyway=True))


def test_lone_surrogates_do_not_stop_a_report() -> None:
    assert encode({"text": "\ud800"}) == b'{"text":"?"}'
