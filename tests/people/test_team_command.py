"""`manage.py team …` and `manage.py person token`: what scripts set up by."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from people.models import Group, Person, Team
from people.tokens import bearer


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().strip()


def told(*arguments: str) -> Any:
    return json.loads(said(*arguments, "--json"))


def test_a_group_is_made_by_its_first_members(ada: Person, otto: Person) -> None:
    made = told("team", "group", "support", "add", "leads", "ada", "otto")

    assert (made["name"], made["members"]) == ("leads", ["ada", "otto"])
    assert said("team", "group", "support", "remove", "leads", "ada") == "leads: otto"
    assert said("team", "group", "support", "list") == "leads: otto"
    assert told("team", "group", "support", "delete", "leads") == {"deleted": "leads"}
    assert not Group.objects.exists()


def test_teams_are_listed(support: Team, eve: Person) -> None:
    assert told("team", "list") == ["elsewhere", "support"]
    assert said("team", "list") == "elsewhere\nsupport"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere", "list"], "no team nowhere"),
        (["support", "add"], "Name the group"),
        (["support", "add", "leads"], "Name the people"),
        (["support", "add", "leads", "nobody"], "nobody called nobody"),
        (["support", "add", "leads", "eve"], "eve has no role in support"),
        (["support", "remove", "leads", "ada"], "no group leads. It has: none"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    arguments: list[str], sentence: str, ada: Person, eve: Person
) -> None:
    with pytest.raises(CommandError, match=sentence):
        said("team", "group", *arguments)

    assert not Group.objects.exists(), "half a command is none"


def test_a_token_is_printed_once(ada: Person) -> None:
    made = told("person", "token", "ada", "--scope", "read", "--days", "3", "--label", "cron")

    token = bearer(made["token"], timezone.now())
    assert token
    assert (token.person, token.label, token.scopes) == (ada, "cron", ["read"])
    assert made["token"] not in said("person", "token", "ada")


def test_a_token_needs_a_person_and_an_end(ada: Person) -> None:
    with pytest.raises(CommandError, match="nobody called eve"):
        said("person", "token", "eve")
    with pytest.raises(CommandError, match="1 to 365 days"):
        said("person", "token", "ada", "--days", "1000")
