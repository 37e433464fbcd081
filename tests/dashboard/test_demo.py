"""The demonstration floor is prepared once, and stays what people made of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import call_command

from agents.models import Agent, AgentKey
from agents.transitions import agent as agents
from dashboard.demonstration import prepare
from people.models import Person, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WATCHFLOOR_DATA", str(tmp_path))
    return tmp_path


def test_prepare_makes_the_cast_and_two_agents(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("demo", "prepare", "--json")

    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((data / "demo.json").read_text())
    assert [person["name"] for person in said["people"]] == ["ada", "otto", "iris", "bob", "admin"]
    assert [agent["name"] for agent in said["agents"]] == ["support-triage", "rebalancer"]
    assert (data / "demo.json").stat().st_mode & 0o777 == 0o600
    for person in said["people"]:
        assert Person.objects.get(name=person["name"]).check_password(person["password"])


def test_roles_are_those_announced(data: Path) -> None:
    prepare(data)

    support = Agent.objects.get(name="support-triage").team_id
    trading = Agent.objects.get(name="rebalancer").team_id
    cast = {person.name: person for person in Person.objects.all()}
    assert cast["ada"].roles == {support: Role.LEAD, trading: Role.LEAD}
    assert cast["otto"].roles == {None: Role.OPS}
    assert cast["bob"].roles == {support: Role.VIEWER}
    assert cast["bob"].sees(trading) is False


def test_again_changes_nothing(data: Path) -> None:
    first = prepare(data)

    assert prepare(data) == first
    assert AgentKey.objects.count() == 2


def test_a_revoked_key_is_replaced_and_a_retired_agent_stays_retired(data: Path) -> None:
    first = prepare(data)
    otto = Person.objects.get(name="otto")
    agents.revoke_key(AgentKey.objects.get(agent__name="support-triage"), by=otto)
    agents.retire(Agent.objects.get(name="rebalancer"), by=otto)

    second = prepare(data)

    assert [agent["name"] for agent in second["agents"]] == ["support-triage"]
    assert second["agents"][0]["key"] != first["agents"][0]["key"]


def test_somebody_elses_ada_keeps_her_password_and_gains_nothing(data: Path) -> None:
    Person.objects.create_person("ada", "her own secret")

    said = prepare(data)

    ada = Person.objects.get(name="ada")
    assert ada.check_password("her own secret")
    assert ada.roles == {}
    assert said["people"][0]["password"] == ""
