"""Circles: whatever counts up in them they are found, and a queue that is worked through is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.rules.breakers import Watch, loops, opening
from agents.rules.facts import Event
from tests.agents.test_breaker_conditions import breaker

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def mark(
    arguments: Any = None, result: Any = "ok", tool: str = "search", subject: str = ""
) -> bytes:
    return loops.fingerprint(tool=tool, subject=subject, arguments=arguments or {}, result=result)


SAME = [
    ({"q": "card", "attempt": 1}, {"q": "card", "attempt": 2}),
    ({"q": "card", "retryCount": 1}, {"q": "card", "retryCount": 7}),
    ({"q": "card", "retry_number": 1}, {"q": "card", "retry_number": 2}),
    ({"q": "card", "i": 0}, {"q": "card", "i": 12}),
    ({"q": "card", "page": 1}, {"q": "card", "page": 2}),
    ({"q": "card", "request_id": "a"}, {"q": "card", "request_id": "b"}),
    ({"q": "card", "timestamp": 1.5}, {"q": "card", "timestamp": 99.25}),
    ({"q": "card (attempt 1 of 5)"}, {"q": "card (attempt 2 of 5)"}),
    ({"q": "card", "meta": {"nonce": "x"}}, {"q": "card", "meta": {"nonce": "y"}}),
    ({"q": "It is 2026-11-21 10:00:01, go on"}, {"q": "It is 2026-11-21 10:00:09, go on"}),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
]
OTHERS = [
    ({"q": "card"}, {"q": "cash"}),
    ({"id": 17}, {"id": 18}),
    ({"number": 17}, {"number": 18}),
    ({"date": "2026-11-20"}, {"date": "2026-11-21"}),
    ({"since": "2026-11-20T10:00:00Z"}, {"since": "2026-11-21T10:00:00Z"}),
    ({"order": "6f9619ff-8b86-d011-b42d-00c04fc964ff"}, {"order": "6f9619ff-8b86-d011-b42d-00c04fc964fe"}),
    ({"text": "Ticket #1042 please"}, {"text": "Ticket #1043 please"}),
    ({"step": ["read"]}, {"step": ["write"]}),
    ({"prompt": "Read this. " * 300 + "A"}, {"prompt": "Read this. " * 300 + "B"}),
    ({"prompt": "x" * 50_000 + "A"}, {"prompt": "x" * 50_000 + "B"}),
    ({"many": [[n] for n in range(5_000)]}, {"many": [[n] for n in range(1, 5_001)]}),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_says_which_try_it_is_does_not_hide_a_circle(one: Any, other: Any) -> None:
    assert mark(one) == mark(other)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_what_tells_items_apart_is_looked_at(one: Any, other: Any) -> None:
    assert mark(one) != mark(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"id": 1, "status": "open"}, {"id": 2, "status": "open"}),
        ({"ticket_id": "a", "created_at": 1}, {"ticket_id": "b", "created_at": 2}),
        ("T-1042", "T-1043"),
        ("Ticket #1042 was opened at 10:00:01", "Ticket #1043 was opened at 10:00:09"),
        ("no answer, request 6f9619ff-8b86-d011-b42d-00c04fc964ff", "no answer, request 7f9619ff-8b86-d011-b42d-00c04fc964ff"),
        ({"text": "hm", "usage": {"total_tokens": 5}}, {"text": "hm", "usage": {"total_tokens": 9}}),
    ],
)  # fmt: skip
def test_the_same_answer_to_the_same_question_may_have_another_id(one: Any, other: Any) -> None:
    assert mark({"title": "Card lost"}, one) == mark({"title": "Card lost"}, other)


@pytest.mark.parametrize(("one", "other"), [("A", "B"), ({"price": 1}, {"price": 2}), (1, 2)])
def test_another_answer_is_another_step(one: Any, other: Any) -> None:
    assert mark({"q": "x"}, one) != mark({"q": "x"}, other)


def test_where_nothing_says_what_was_worked_on_the_result_does() -> None:
    assert mark({}, {"id": 17}) != mark({}, {"id": 18})
    assert mark({}, {"id": 17}, subject="queue:1") == mark({}, {"id": 18}, subject="queue:1")


def test_a_conversation_that_grows_is_the_same_question() -> None:
    start = [{"role": "system", "content": "Help."}, {"role": "user", "content": "My card."}]
    turn = [
        {"role": "assistant", "tool_calls": [{"id": "call_1aB2cD3eF4", "name": "search"}]},
        {"role": "tool", "tool_call_id": "call_1aB2cD3eF4", "content": "nothing found"},
    ]
    marks = {mark({"messages": start + turn * n}, "search again") for n in range(3, 9)}
    other = [start[0], {"role": "user", "content": "My account."}]

    assert len(marks) == 1
    assert mark({"messages": other + turn * 3}, "search again") not in marks


def walk(*steps: str, limit: int = 5, window_s: float = 240.0, apart_s: float = 1.0) -> int | None:
    """At which step it opens, counted from one."""
    watch = Watch([breaker("loop", limit=Decimal(limit), window_s=window_s)])
    for number, step in enumerate(steps):
        event = Event(
            "settled",
            tool=step,
            fingerprint=mark(tool=step),
            at=NOON + timedelta(seconds=number * apart_s),
        )
        if opening(watch.step(event)):
            return number + 1
    return None


@pytest.mark.parametrize("length", [1, 2, 3, 4])
@pytest.mark.parametrize("limit", [2, 5, loops.MOST])
def test_a_circle_of_up_to_four_steps_opens_when_it_closed_often_enough(
    length: int, limit: int
) -> None:
    steps = list(islice(cycle("abcd"[:length]), length * limit))

    assert walk(*steps, limit=limit) == length * limit
    assert walk("x", *steps, limit=limit) == length * limit + 1
    assert walk(*steps[:-1], limit=limit) is None


@pytest.mark.parametrize("steps", ["abcde" * 9, "aabbccddee", "aaaabaaaab", "abcabdabeabfabg"])
def test_what_is_no_circle_opens_nothing(steps: str) -> None:
    assert walk(*steps) is None


def test_who_asks_once_a_minute_whether_there_is_something_to_do_may_go_on_all_night() -> None:
    assert walk(*"a" * 400, apart_s=60.1) is None
    assert walk(*"a" * 400, apart_s=59.9) == 5


def test_what_was_answered_for_counts_no_more() -> None:
    ring = b""
    for second in range(4):
        ring = loops.append(ring, mark(), NOON + timedelta(seconds=second))
    watched = breaker("loop", reset_at=NOON + timedelta(seconds=3))
    watch = Watch([watched], steps=ring)
    found = [
        watch.step(Event("settled", fingerprint=mark(), at=NOON + timedelta(seconds=second)))
        for second in range(4, 9)
    ]

    assert [bool(one) for one in found] == [False] * 4 + [True]


def test_a_run_keeps_so_many_steps_and_no_more() -> None:
    ring = b""
    for number in range(100):
        ring = loops.append(ring, mark({"q": number}), NOON)

    assert len(loops.split(ring)) == loops.REMEMBERED
    assert loops.split(ring)[-1] == mark({"q": 99})[: loops.KEPT]


@given(st.lists(st.sampled_from("abc"), max_size=40))
def test_cycles_are_those_that_looking_closely_finds(steps: list[str]) -> None:
    marks = [step.encode() for step in steps]
    length, times = loops.cycle(marks)

    longest = max(
        (
            number
            for width in range(1, loops.LONGEST_CYCLE + 1)
            for number in range(1, len(steps) // width + 1)
            if steps[len(steps) - width * number :] == steps[len(steps) - width :] * number
        ),
        default=0,
    )
    assert times == longest
    if steps:
        assert marks[-length * times :] == marks[-length:] * times


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
        max_leaves=30,
    )
)  # fmt: skip
def test_anything_has_a_fingerprint_and_the_same_one_twice(value: Any) -> None:
    assert mark({"v": value}, value) == mark({"v": value}, value)
