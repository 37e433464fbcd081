"""`manage.py person create`: what it says, and what it refuses."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from audit.models import Entry
from people.models import Person, Role, Team

PASSWORD = "a long password"


def create(*arguments: str) -> str:
    said = io.StringIO()
    call_command("person", "create", *arguments, stdout=said)
    return said.getvalue()


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Any:
    def pipe(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return pipe


@pytest.mark.django_db
def test_the_password_is_read_from_standard_input(piped: Any) -> None:
    piped(f"{PASSWORD}\n")

    said = create("ada", "--role", "admin")

    person = Person.objects.get(name="ada")
    assert person.check_password(PASSWORD)
    assert person.roles == {None: Role.ADMIN}
    assert "ada is admin of every team" in said
    assert Entry.objects.filter(kind="person.joined", actor="command").exists()


def test_a_team_narrows_the_role(piped: Any, support: Team) -> None:
    piped(PASSWORD)

    made = json.loads(create("ada", "--role", "lead", "--team", "support", "--json"))

    assert made["team"] == "support"
    assert Person.objects.get(pk=made["id"]).roles == {support.pk: Role.LEAD}


@pytest.mark.django_db
def test_a_link_lets_the_person_choose_once(client: Client) -> None:
    made = json.loads(create("ada", "--role", "ops", "--link", "--json"))
    link = "/" + made["link"].split("/", 3)[3]

    first = client.post(link, {"new_password1": PASSWORD, "new_password2": PASSWORD})
    second = Client().get(link)

    assert first.status_code == 302
    assert client.get("/").status_code == 200, "signed in at once"
    assert second.status_code == 410
    assert b"used already" in second.content


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (["ada", "--role", "king"], PASSWORD, "no role king. Roles are: lead, ops, auditor"),
        (["ada", "--role", "ops", "--team", "x"], PASSWORD, "no team x. Teams are: support"),
        (["bob", "--role", "ops"], PASSWORD, "already someone called bob"),
        (["BOB", "--role", "ops"], PASSWORD, "already someone called BOB"),
        (["ada", "--role", "ops"], "", "password is empty"),
        (["ada", "--role", "ops"], "password12", "too common"),
        (["ada", "--role", "ops"], "x7!", "too short"),
        (["ada", "--role", "ops"], "a long\0password", "password is no text"),
        (["ada", "--role", "ops"], "a long\udce9password", "password is no text"),
        ([" ", "--role", "ops"], PASSWORD, "visible characters"),
        (["a\u202eda", "--role", "ops"], PASSWORD, "visible characters"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    arguments: list[str], stdin: str, sentence: str, piped: Any, bob: Person
) -> None:
    piped(stdin)

    with pytest.raises(CommandError, match=sentence):
        create(*arguments)

    assert not Person.objects.filter(name="ada").exists()


@pytest.mark.django_db
def test_who_lost_the_link_gets_another(client: Client) -> None:
    create("ada", "--role", "ops", "--link")
    said = io.StringIO()

    call_command("person", "link", "ada", stdout=said)

    words, link = said.getvalue().splitlines()
    assert words == "ada chooses a password here, once:"
    assert client.get("/" + link.split("/", 3)[3], follow=True).status_code == 200
    assert Entry.objects.filter(kind="link.made").count() == 2


@pytest.mark.django_db
def test_nobody_gets_a_link_who_is_switched_off() -> None:
    create("ada", "--role", "ops", "--link")
    call_command("person", "off", "ada", stdout=io.StringIO())

    with pytest.raises(CommandError, match="ada is switched off"):
        call_command("person", "link", "ada")


@pytest.mark.django_db
def test_a_password_in_other_bytes_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    latin = io.TextIOWrapper(io.BytesIO(b"a long passw\xf6rd\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", latin)

    with pytest.raises(CommandError, match="password is no text"):
        create("ada", "--role", "ops")


@pytest.mark.django_db
def test_who_is_switched_off_comes_in_nowhere_until_switched_on(
    client: Client, ada: Person
) -> None:
    client.force_login(ada)
    assert client.get("/").status_code == 200

    call_command("person", "off", "ada")

    assert client.get("/").status_code == 302
    with pytest.raises(CommandError, match="ada is switched off already"):
        call_command("person", "off", "ada")
    call_command("person", "on", "ada")
    client.force_login(ada)
    assert client.get("/").status_code == 200
    told = Entry.objects.filter(kind__startswith="person.switched").order_by("id")
    assert [(one.kind, one.data["after"]) for one in told] == [
        ("person.switched_off", {"is_active": False}),
        ("person.switched_on", {"is_active": True}),
    ]
