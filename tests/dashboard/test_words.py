"""Times, money and text as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from audit.hidden import hides
from dashboard.templatetags import charts, icons, words
from dashboard.templatetags.untrusted import tree, untrusted, untrusted_line
from reviews.models import Hold


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(seconds=8), "8 s"),
        (timedelta(minutes=6, seconds=59), "6 min"),
        (timedelta(hours=3, minutes=20), "3 h 20 min"),
        (timedelta(hours=9, minutes=20), "9 h"),
        (timedelta(days=1, hours=3), "1 day"),
        (timedelta(days=12), "12 days"),
        (timedelta(seconds=-3), "0 s"),
    ],
)
def test_spans_have_two_units_at_most(span: timedelta, said: str) -> None:
    assert words.in_words(span) == said


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        (Decimal("250400"), "USD", "$250,400"),
        (Decimal("1250.5"), "USD", "$1,250.50"),
        (Decimal("82.40"), "EUR", "€82.40"),
        (Decimal("0.31"), "USD", "$0.31"),
        (Decimal("0.0042"), "USD", "$0.0042"),
        (Decimal("0.000001"), "USD", "&lt;$0.0001"),
        (Decimal(0), "", "$0.00"),
        (Decimal(12), "CHF", "12 CHF"),
        (Decimal("-3.5"), "USD", "−$3.50"),
    ],
)
def test_money_says_its_currency(amount: Decimal, currency: str, said: str) -> None:
    assert f">{said}<" in words.money(amount, currency)


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (420, "420 ms"),
        (1800, "1.8 s"),
        (125_000, "2 min 5 s"),
        (timedelta(seconds=2), "2 s"),
        (None, "–"),
    ],
)
def test_durations(span: Any, said: str) -> None:
    assert words.duration(span) == said


def test_a_wait_is_not_said_in_milliseconds() -> None:
    assert words.waited(timedelta(milliseconds=336)) == "less than a second"
    assert words.waited(timedelta(seconds=125)) == "2 min 5 s"


def test_a_range_that_would_read_the_same_twice_is_one_time() -> None:
    at = timezone.now().replace(microsecond=0)

    assert words.clocks(at, at + timedelta(milliseconds=300)) == words.clock(at)
    assert " to " in words.clocks(at, at + timedelta(seconds=2))


@pytest.mark.parametrize(
    ("count", "said"), [(940, "940"), (1200, "1.2k"), (3_000_000, "3M"), (None, "–")]
)
def test_tokens(count: int | None, said: str) -> None:
    assert words.tokens(count) == said


def test_the_exact_time_is_in_the_readers_zone() -> None:
    at = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)

    with timezone.override("Europe/Berlin"):
        shown = words.clock(at)

    assert "6 Jan 00:30" in shown
    assert "Tue 6 Jan 2026, 00:30:00" in shown
    assert 'datetime="2026-01-05T23:30:00+00:00"' in shown


def test_a_hold_asks_without_its_agents_name() -> None:
    agent = Agent(name="scout")

    assert words.ask(Hold(agent=agent, title="scout wants to use x: y")) == "Wants to use x: y"
    assert words.ask(Hold(agent=agent, title="scout is paused: x worked")) == "x worked"
    assert words.ask(Hold(agent=agent, title="scout finds this odd")) == "scout finds this odd"


# -- text that others wrote --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "character",
    ["\u202e", "\u200b", "\u2066", "\x00", "\x1b", "\ufeff", "\u3164", "\U000e0041", "\ufe01"],
)
def test_characters_one_would_not_see_are_spelt_out(character: str) -> None:
    assert hides(character)
    assert f"U+{ord(character):04X}" in untrusted(f"a{character}b")


@pytest.mark.parametrize("character", ["a", "é", "ب", "中", "🙂", "\n", "\t"])
def test_ordinary_writing_is_left_alone(character: str) -> None:
    assert not hides(character)


def test_markup_is_text() -> None:
    shown = untrusted('<script>alert(1)</script><b title="x">&amp;')

    assert "<script" not in shown
    assert "<b" not in shown
    assert "&amp;amp;" in shown


def test_a_long_text_is_folded_and_five_megabytes_do_not_fill_the_page() -> None:
    shown = untrusted("x" * 5_000_000)

    assert "Show all 5,000,000 characters" in shown
    assert "are not shown here" in shown
    assert len(shown) < 120_000


def test_one_line_stays_one_line() -> None:
    shown = untrusted_line("a\r\nb\n" + "c" * 300)

    assert "\n" not in shown
    assert shown.endswith("…</bdi>")


def test_json_is_a_list_of_labels_and_values_all_escaped() -> None:
    shown = tree({"<k>": "<v>", "list": [1, None, True], "deep": {"a": {"b": {}}}, "empty": ""})

    assert "<k>" not in shown
    assert "<v>" not in shown
    assert "<dt>" in shown
    assert "null" in shown
    assert "empty" in shown


def test_many_keys_and_deep_nesting_are_bounded() -> None:
    deep: Any = "end"
    for _ in range(200):
        deep = {"d": deep}

    assert "1 key<" in tree({"deep": {"a": {"b": 1}}})
    assert "1 value<" in tree({"deep": {"a": [1]}})
    assert "Show all 900 values" in tree({f"k{n}": n for n in range(900)})
    assert len(tree({"deep": deep})) < 50_000


# -- drawings ----------------------------------------------------------------------------------------


def test_charts_use_attributes_alone() -> None:
    now = timezone.now()
    drawn = (
        charts.spark([0, 1, 5], "t")
        + charts.spark([], "t")
        + charts.bars([Decimal(1), 0, 4], "t", "stopped")
        + charts.gauge(4, 5, "t")
        + charts.gauge(None, None, "t")
        + str(charts.time_left(now, now + timedelta(hours=1)))
    )

    assert "style=" not in drawn
    assert 'aria-label="t"' in drawn


@pytest.mark.parametrize(
    ("gone", "level"), [(0.2, "calm"), (0.6, "half"), (0.95, "late"), (2, "late")]
)
def test_time_left_turns_amber_at_half_and_red_at_nine_tenths(gone: float, level: str) -> None:
    since = timezone.now() - timedelta(minutes=100 * gone)

    assert f'data-level="{level}"' in str(charts.time_left(since, since + timedelta(minutes=100)))


def test_an_unknown_icon_fails_loudly() -> None:
    with pytest.raises(FileNotFoundError):
        icons.icon("no-such-icon")
