"""Budgets as people write them, and where periods begin and end."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from agents.models import Account, Budget, Price
from agents.rules.budget_settings import parse_budget, parse_budgets
from agents.transitions import budget as budgets
from audit.errors import Invalid
from people.models import Team
from tests.cast import Door

from .test_budgets import ask, written


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"limit": "$50"}, {"scope": "team", "per": "day", "limit": "$50"}),
        ({"limit": " $1,500.50 "}, {"scope": "team", "per": "day", "limit": "$1500.5"}),
        ({"limit": "200k tokens", "per": "run"}, {"scope": "run", "per": "run", "limit": "200k tokens"}),
        ({"limit": "1.5M tokens", "scope": "agent"}, {"scope": "agent", "per": "day", "limit": "1500k tokens"}),
        ({"limit": "1234 tokens", "per": "month"}, {"scope": "team", "per": "month", "limit": "1234 tokens"}),
        ({"limit": "$0.000001", "per": "hour"}, {"scope": "team", "per": "hour", "limit": "$0.000001"}),
    ],
)  # fmt: skip
def test_a_budget_has_one_form(given: dict[str, Any], kept: dict[str, Any]) -> None:
    setting = parse_budget({"name": " Day ", **given})

    assert setting.as_dict() == {"name": "Day", **kept}
    assert parse_budget(setting.as_dict()) == setting


def test_of_an_agent_the_agent_is_meant() -> None:
    assert parse_budget({"name": "a", "limit": "$1"}, of_agent=True).scope == "agent"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (5, "budgets: A list is needed"),
        ([5], r"budgets: Budget 1: It must be written as \{name: Day"),
        ([{"limit": "$1"}], "budgets: Budget 1: name: Give it a name"),
        ([{"name": "x" * 81, "limit": "$1"}], "up to 80"),
        ([{"name": "a", "limit": "$1", "perr": "day"}], "“a”: It knows no “perr”. Did you mean “per”?"),
        ([{"name": "a", "limit": "$1", "per": "year"}], "“a”: per: It must be one of run, hour, day, month"),
        ([{"name": "a", "limit": "$1", "per": "run", "scope": "team"}], "lasts a run"),
        ([{"name": "a", "limit": 50}], r"limit: Write how much: \$50"),
        ([{"name": "a", "limit": "$0"}], "not nothing"),
        ([{"name": "a", "limit": "0.5 tokens"}], "not nothing"),
        ([{"name": "a", "limit": "-$5"}], "Write how much"),
        ([{"name": "a", "limit": "$1"}] * 2, "“a” stands there twice"),
        ([{"name": f"{n}", "limit": "$1"} for n in range(51)], "There can be 50"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_place(given: Any, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        parse_budgets(given)


def test_an_agents_budget_is_not_its_teams() -> None:
    with pytest.raises(Invalid, match="write it with the team"):
        parse_budgets([{"name": "a", "limit": "$1", "scope": "team"}], of_agent=True)


# -- periods ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "zone", "now", "starts", "ends"),
    [
        ("day", "UTC", "2026-11-21T23:59:59", "2026-11-21T00:00", "2026-11-22T00:00"),
        ("day", "Asia/Tokyo", "2026-11-21T15:00", "2026-11-21T15:00", "2026-11-22T15:00"),
        # the clocks go forward: a day of 23 hours
        ("day", "Europe/Berlin", "2026-03-29T10:00", "2026-03-28T23:00", "2026-03-29T22:00"),
        # and back: a day of 25
        ("day", "Europe/Berlin", "2026-10-25T10:00", "2026-10-24T22:00", "2026-10-25T23:00"),
        # an hour that comes twice is one period: what the first reserved counts in the second
        ("hour", "Europe/Berlin", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T02:00"),
        ("hour", "Europe/Berlin", "2026-10-25T01:30", "2026-10-25T01:00", "2026-10-25T02:00"),
        # and one that never comes ends the hour before it where it should
        ("hour", "Europe/Berlin", "2026-03-29T00:30", "2026-03-29T00:00", "2026-03-29T01:00"),
        ("hour", "Asia/Kolkata", "2026-11-21T10:45", "2026-11-21T10:30", "2026-11-21T11:30"),
        ("month", "UTC", "2026-02-28T23:59", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("month", "UTC", "2028-02-29T00:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("month", "America/New_York", "2027-01-01T04:59", "2026-12-01T05:00", "2027-01-01T05:00"),
        ("month", "America/New_York", "2026-03-20T12:00", "2026-03-01T05:00", "2026-04-01T04:00"),
    ],
)  # fmt: skip
def test_periods_begin_where_the_team_works(
    support: Team, period: str, zone: str, now: str, starts: str, ends: str
) -> None:
    budget = budgets.set(support, None, written(per=period), by="test")
    Budget.objects.filter(pk=budget.pk).update(time_zone=zone)

    def utc(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    with connection.cursor() as cursor:
        cursor.execute(
            """select d.starts_at, d.ends_at from agents_budget b, agents_account_of(b, %s, %s, %s) d""",
            [uuid4(), uuid4(), utc(now)],
        )
        found = cursor.fetchone()

    assert found == (utc(starts), utc(ends))


# -- commands --------------------------------------------------------------------------------------


def command(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_budgets_are_set_listed_and_raised_from_the_command_line(door: Door, support: Team) -> None:
    assert command("budget", "set", "Day", "$10", "--team", "support") == (
        "Day: $10.00 a day for the team together\n"
    )
    ask(door, 1, "4")

    listed = command("budget", "list", "--team", "support")
    command("budget", "raise", "Day", "$15", "--team", "support")
    command("budget", "raise", "Day", "$12", "--team", "support", "--for-good")

    assert "support: Day: $10.00 a day for the team together" in listed
    assert "$0.00 spent, $4.00 reserved, $6.00 left" in listed
    account = Account.objects.get()
    assert (account.budget.limit, account.raised) == (Decimal(12), Decimal(3))


def test_what_a_command_cannot_mean_is_said(support: Team) -> None:
    with pytest.raises(CommandError, match="There is no team “nobody”"):
        command("budget", "set", "Day", "$10", "--team", "nobody")
    with pytest.raises(CommandError, match="support has no budget “Day”"):
        command("budget", "raise", "Day", "$10", "--team", "support")


def test_the_check_names_what_does_not_add_up(door: Door, support: Team) -> None:
    budgets.set(support, None, written(), by="test")
    ask(door, 1, "4")
    assert command("budget", "check") == "Every account and every run adds up.\n"

    Account.objects.update(reserved=5, spent=1)

    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("budget", "check", stdout=out)
    assert (
        "5.000000 reserved and 1.000000 spent, but its actions reserve 4.000000" in out.getvalue()
    )
    Account.objects.update(reserved=4, spent=0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prices.yaml", "prices:\n- {name: gpt-x*, input: 2.5, output: 10, cached_input: 1.25}\n- {name: m, input: 1, output: 1, valid_from: 2026-01-01}\n"),
        ("prices.csv", "name,input,output,cached_input,valid_from\ngpt-x*,$2.5,10,1.25,\nm,1,1,,2026-01-01\n"),
    ],
)  # fmt: skip
def test_prices_are_imported_once(db: None, tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)

    dry = command("price", "import", str(file), "--dry-run")
    assert "2 prices would be added." in dry
    assert not Price.objects.exists()
    command("price", "import", str(file), "--note", "the provider’s list")
    again = command("price", "import", str(file))

    assert "0 prices added." in again
    assert Price.objects.count() == 2
    assert {one.note for one in Price.objects.all()} == {"the provider’s list"}
    assert "gpt-x* (the house) from" in command("price", "list")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- {name: m, output: 1}", "Price 1: input is missing"),
        ("- {name: m, input: x, output: 1}", "“x” is no number"),
        ("- {name: m, input: 1, output: 1, price: 2}", "it knows no “price”"),
        ("- 5", "Price 1: write"),
        ("a: [", "is no YAML"),
        ("5", "A list of prices"),
        ("- {name: m, input: 1, output: 1, valid_from: soon}", "valid_from"),
    ],
)
def test_a_file_that_cannot_be_meant_adds_nothing(
    db: None, tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text)

    with pytest.raises(CommandError, match=why):
        command("price", "import", str(file))
    assert not Price.objects.exists()
