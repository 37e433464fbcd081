"""`manage.py agent`, as scripts call it."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from agents.defaults import DEFAULTS
from agents.models import Agent, AgentKey
from agents.rules.policy import shorthand
from audit.models import Entry

pytestmark = pytest.mark.django_db


def told(*words: str) -> str:
    out = StringIO()
    call_command("agent", *words, stdout=out)
    return out.getvalue()


def test_an_agent_is_registered_and_its_key_shown_once() -> None:
    made = json.loads(told("create", "scout", "--json"))

    agent = Agent.objects.get()
    assert (made["id"], made["team"]) == (str(agent.pk), "main")
    assert made["key"].startswith("wf_")
    assert made["key"] not in told("list")
    assert made["key"] not in str(AgentKey.objects.values())
    assert agent.breakers.count() == len(DEFAULTS)


def test_spaces_around_a_name_are_no_part_of_it() -> None:
    made = json.loads(told("create", " scout ", "--team", " desk ", "--json"))

    assert (made["name"], made["team"], Agent.objects.get().name) == ("scout", "desk", "scout")


def test_tools_and_gates_are_limits() -> None:
    told("create", "scout", "--tool", "pay", "--tool", "search", "--approve", "pay:amount>50")

    agent = Agent.objects.get()
    document = agent.policy.document
    assert document["tools"] == ["pay", "search"]
    assert document["rules"] == [shorthand.over("pay", "amount", 50)]
    assert len(document["breakers"]) == len(DEFAULTS)


def test_people_say_where_an_agent_acts() -> None:
    told("create", "scout", "--environment", "staging")
    assert Agent.objects.get().environment == "staging"

    told("environment", "scout", "production")

    assert Agent.objects.get().environment == "production"
    assert Entry.objects.filter(kind="agent.moved").count() == 1


def test_a_key_can_be_revoked() -> None:
    key = json.loads(told("create", "scout", "--json"))["key"]

    told("revoke", "scout", key[:9])

    assert not AgentKey.objects.working().exists()
    assert AgentKey.objects.count() == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["create", "scout"], "has an agent called scout already"),
        (["create", "other", "--approve", "pay:amount<5"], "is no gate"),
        (["key", "nobody"], "has no agent nobody. It has: scout."),
        (["revoke", "scout", "wf_zzzzzz"], "0 working keys"),
        (["create", " "], "A name has 1 to 80 visible characters"),
        (["create", "a\u202eb"], "A name has 1 to 80 visible characters"),
        (["create", "x" * 81], "A name has 1 to 80 visible characters"),
        (["create", "caf\udce9"], "A name has 1 to 80 visible characters"),
        (["create", "other", "--team", ""], "A team's name has 1 to 80 visible characters"),
        (["create", "other", "--team", "x" * 81], "A team's name has 1 to 80 visible"),
        (["create", "other", "--environment", "x" * 41], "An environment's name has 1 to 40"),
        (["create", "other", "--environment", "a\nb"], "An environment's name has 1 to 40"),
        (["environment", "scout", "a\nb"], "An environment's name has 1 to 40"),
    ],
)
def test_mistakes_get_a_sentence(words: list[str], sentence: str) -> None:
    told("create", "scout")

    with pytest.raises(CommandError, match=sentence):
        told(*words)
