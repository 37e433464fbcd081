"""Where an act comes from stands with it; who was refused is written down, and cannot fill the record with it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic
from typing import Any

import httpx
from django.core.management import call_command
from django.test import Client

from agents.models import Agent, Run
from audit import refusals, source
from audit.models import Entry
from audit.record import record
from audit.refusals import HOUSE, Limiter
from dashboard import house_settings
from people.models import Person
from people.transitions import token as tokens
from tests.cast import PASSWORD

NOW = datetime(2026, 11, 21, 13, 0, tzinfo=UTC)


def source_of(kind: str) -> Any:
    return Entry.objects.filter(kind=kind).order_by("-id")[0].source


# -- where from ------------------------------------------------------------------------------------


def test_what_nobody_knows_is_left_out() -> None:
    with source.of("agent", address="10.0.0.1", program="x" * 300):
        assert source.current() == {
            "channel": "agent",
            "address": "10.0.0.1",
            "program": "x" * 200,
        }
    assert source.current() == {}
    assert source.text() == ""


def test_an_entry_tells_where_it_came_from(db: None) -> None:
    with source.of("command", program="manage.py person"):
        record("person.signed_out", actor="clock", about=HOUSE)

    assert source_of("person.signed_out") == {"channel": "command", "program": "manage.py person"}


def test_a_page_is_known_by_address_and_program(ada: Person, client: Client) -> None:
    client.force_login(ada)

    client.post("/time-zone/", {"time_zone": "Europe/Berlin"}, headers={"user-agent": "Firefox"})

    entry = Entry.objects.get(kind="person.changed")
    assert entry.source == {"channel": "page", "address": "127.0.0.1", "program": "Firefox"}
    assert entry.data == {"before": {"time_zone": "UTC"}, "after": {"time_zone": "Europe/Berlin"}}


def test_a_proxy_that_nobody_trusts_is_not_believed(ada: Person, client: Client) -> None:
    client.force_login(ada)

    client.post("/time-zone/", {"time_zone": "Asia/Tokyo"}, headers={"x-forwarded-for": "8.8.8.8"})

    assert source_of("person.changed")["address"] == "127.0.0.1"


def test_a_hot_door_tells_it_too(live: str, scout_with_key: tuple[Agent, str]) -> None:
    _, key = scout_with_key
    headers = {"Authorization": f"Bearer {key}", "User-Agent": "watchfloor-sdk/1"}
    run = httpx.post(f"{live}/api/v1/runs", json={"name": "nightly"}, headers=headers).json()

    answer = httpx.post(
        f"{live}/api/v1/runs/{run['id']}/actions",
        json={"call_id": "1", "tool": "search", "kind": "tool", "on_behalf_of": "ada"},
        headers=headers,
    )

    assert answer.json()["admission"] == "allowed", answer.text
    wanted = {"channel": "agent", "address": "127.0.0.1", "program": "watchfloor-sdk/1"}
    assert source_of("run.started") == wanted
    assert source_of("action.allowed") == wanted
    assert Entry.objects.get(kind="action.allowed").data["on_behalf_of"] == "ada"


# -- coming in -------------------------------------------------------------------------------------


def test_who_comes_and_goes_is_known(ada: Person, client: Client) -> None:
    client.post("/sign-in/", {"login": "ada", "password": PASSWORD})
    client.post("/sign-in/again/", {"password": "wrong"})
    client.post("/sign-in/again/", {"password": PASSWORD})
    client.post("/sign-out/")

    kinds = ["person.signed_in", "confirmation.refused", "person.confirmed", "person.signed_out"]
    said = Entry.objects.filter(about=ada.record_name, kind__in=kinds).order_by("id")
    assert [one.kind for one in said] == kinds
    assert {one.actor for one in said} == {ada.record_name}


def test_who_is_refused_is_known_by_the_name_that_was_tried(ada: Person, client: Client) -> None:
    client.post("/sign-in/", {"login": "ada", "password": "wrong"})
    client.post("/sign-in/", {"login": "nobody", "password": "wrong"})

    first, second = Entry.objects.filter(kind="sign_in.refused").order_by("id")
    assert (first.actor, first.about, first.data["name"]) == ("stranger", ada.record_name, "ada")
    assert (second.about, second.data["name"]) == ("person", "nobody")
    assert "wrong" not in str(first.data)


def test_a_link_that_is_over_is_known(db: None, client: Client) -> None:
    assert client.get("/welcome/x/y/").status_code == 410

    assert Entry.objects.get(kind="link.refused").source["channel"] == "page"


# -- what was tried --------------------------------------------------------------------------------


def test_what_a_role_does_not_allow_is_known(bob: Person, scout: Agent, client: Client) -> None:
    client.force_login(bob)

    answer = client.post(f"/agents/{scout.pk}/stop/", {"reason": "x"})

    assert answer.status_code == 403
    entry = Entry.objects.get(kind="attempt.refused")
    assert (entry.actor, entry.about, entry.agent) == (
        bob.record_name,
        scout.record_name,
        str(scout.pk),
    )
    assert entry.data["asked"] == f"POST /agents/{scout.pk}/stop/"


def test_typing_errors_are_no_attempts(ada: Person, client: Client) -> None:
    client.force_login(ada)

    client.post("/account/tokens/add/", {"label": "", "scope": "read", "days": "7"})

    assert not Entry.objects.filter(kind="attempt.refused").exists()


def test_a_token_that_was_revoked_is_known(ada: Person, client: Client) -> None:
    token, secret = tokens.issue(ada, label="script", scopes=["read"], by=ada)
    tokens.revoke(token, by=ada)

    for bearer in (secret, "wfp_guessed"):
        client.get("/api/v1/holds", headers={"authorization": f"Bearer {bearer}"})

    known, guessed = Entry.objects.filter(kind="token.refused").order_by("id")
    assert (known.actor, known.about) == (ada.record_name, token.record_name)
    assert (guessed.actor, guessed.source["channel"]) == ("stranger", "api")
    assert "wfp_guessed" not in str(guessed.data)


def test_anothers_run_and_an_unknown_key_are_known(
    live: str, scout_with_key: tuple[Agent, str], run: Run
) -> None:
    scout, key = scout_with_key
    body = {"call_id": "1", "tool": "search", "kind": "tool"}
    for bearer, pk in ((key, uuid.uuid4()), ("wf_guessed", run.pk)):
        headers = {"Authorization": f"Bearer {bearer}"}
        httpx.post(f"{live}/api/v1/runs/{pk}/actions", json=body, headers=headers)

    said = written("key.refused", 2)
    assert {(one.actor, one.data["code"]) for one in said} == {
        (scout.record_name, "not_found"),
        ("stranger", "unauthorized"),
    }


def written(kind: str, count: int) -> list[Entry]:
    """The server writes refusals once it has answered."""
    until = monotonic() + 10
    while monotonic() < until:
        found = list(Entry.objects.filter(kind=kind))
        if len(found) >= count:
            return found
        Event().wait(0.02)
    raise AssertionError(f"There are no {count} of {kind}.")


# -- not too much of it ----------------------------------------------------------------------------


def test_a_place_gets_so_many_a_minute_and_one_line_that_says_so() -> None:
    limiter = Limiter(most=3, together=100)

    taken = [limiter.take("key.refused", "10.0.0.1", NOW) for _ in range(6)]

    assert [fits for fits, _, _ in taken] == [True] * 3 + [False] * 3
    assert [first for _, first, _ in taken] == [False] * 3 + [True] + [False] * 2
    assert limiter.take("key.refused", "10.0.0.2", NOW)[0]


def test_how_many_there_were_is_told_by_the_next(db: None) -> None:
    limiter = Limiter(most=3, together=100)
    for _ in range(8):
        limiter.take("key.refused", "10.0.0.1", NOW)

    fits, _, counted = limiter.take("key.refused", "10.0.0.9", NOW + timedelta(seconds=61))

    assert fits
    assert counted == [("key.refused", 5, NOW)]


def test_all_places_together_get_so_many() -> None:
    limiter = Limiter(most=3, together=5)

    taken = [limiter.take("key.refused", f"10.0.0.{n}", NOW)[0] for n in range(9)]

    assert taken.count(True) == 5


def test_a_flood_from_many_places_is_counted_to_the_last_and_tells_it_once() -> None:
    limiter = Limiter(most=3, together=5)

    taken = [limiter.take("key.refused", f"10.0.0.{n % 50}", NOW) for n in range(500)]
    later = limiter.take("key.refused", "10.0.0.1", NOW + timedelta(seconds=61))

    assert [first for _, first, _ in taken].count(True) == 1
    assert later[2] == [("key.refused", 495, NOW)]


def test_a_flood_leaves_a_few_lines(db: None, client: Client) -> None:
    for _ in range(40):
        client.get("/api/v1/holds", headers={"authorization": "Bearer wfp_guessed"})

    assert Entry.objects.filter(kind="token.refused").count() == refusals.MOST
    assert Entry.objects.get(kind="attempts.muted").data["most"] == refusals.MOST


# -- settings and commands -------------------------------------------------------------------------


def test_other_settings_are_told_once(db: None, settings: Any) -> None:
    assert house_settings.tell()
    assert not house_settings.tell()
    settings.WATCHFLOOR_FLEET_SHARE = 0.9

    assert house_settings.tell()

    last = Entry.objects.filter(kind="settings.changed").order_by("-id")[0]
    assert last.data["after"] == {"WATCHFLOOR_FLEET_SHARE": 0.9}


def test_no_secret_is_among_them(settings: Any) -> None:
    settings.WATCHFLOOR_FORWARD_TRACES = "https://user:hidden@traces.example/v1?token=hidden"

    told = str(house_settings.present())

    assert "hidden" not in told
    assert settings.SECRET_KEY not in told
    assert "traces.example" in told


def test_a_person_that_is_added_stands_in_the_record(support: Any) -> None:
    call_command("person", "create", "zoe", "--role", "viewer", "--link")

    kinds = set(Entry.objects.values_list("kind", flat=True))
    assert {"person.added", "person.joined", "link.made"} <= kinds
