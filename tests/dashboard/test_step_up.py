"""Signing in again: what a policy may demand of who decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from agents.models import Run
from audit.errors import Refused
from dashboard.sessions import SIGNED_IN_AT
from people import step_up
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as transitions
from reviews.transitions.opening import hand_over
from tests.cast import PASSWORD


def age(client: Client, by: timedelta) -> None:
    session = client.session
    session[SIGNED_IN_AT] -= by.total_seconds()
    session.save()


def who(client: Client) -> Person:
    person: Person = client.get("/settings/").wsgi_request.user  # type: ignore[assignment]
    return person


def test_who_has_just_come_in_is_fresh_for_ten_minutes(client: Client, ada: Person) -> None:
    client.post("/sign-in/", {"login": "ada", "password": PASSWORD})

    assert step_up.is_fresh(who(client))
    age(client, timedelta(minutes=9))
    assert step_up.is_fresh(who(client))
    age(client, timedelta(minutes=2))
    assert not step_up.is_fresh(who(client))


def test_how_long_is_a_setting(ada: Person, settings: Settings) -> None:
    ada.signed_in_at = timezone.now() - timedelta(minutes=20)

    assert not step_up.is_fresh(ada)
    settings.WATCHFLOOR_STEP_UP = timedelta(hours=1)
    assert step_up.is_fresh(ada)


def test_without_a_session_nobody_is_fresh(ada: Person) -> None:
    assert not step_up.is_fresh(ada)


def test_signing_in_again_goes_on_where_one_was(client: Client, ada: Person) -> None:
    client.force_login(ada)
    age(client, timedelta(hours=1))

    page = client.get("/sign-in/again/?next=/inbox/").content.decode()
    wrong = client.post("/sign-in/again/", {"password": "wrong", "next": "/inbox/"})
    stale = step_up.is_fresh(who(client))
    right = client.post("/sign-in/again/", {"password": PASSWORD, "next": "/inbox/"})

    assert "Is it still you, ada?" in page
    assert 'value="/inbox/"' in page
    assert (wrong.status_code, stale) == (422, False)
    assert right["Location"] == "/inbox/"
    assert step_up.is_fresh(who(client))


def test_it_leads_to_no_other_site_and_is_for_who_is_in(client: Client, ada: Person) -> None:
    assert client.get("/sign-in/again/")["Location"].startswith("/sign-in/?next=")
    client.force_login(ada)

    answer = client.post("/sign-in/again/", {"password": PASSWORD, "next": "https://evil.example/"})

    assert answer["Location"] == "/"


def test_guessing_is_slowed_down_here_too(client: Client, ada: Person) -> None:
    client.force_login(ada)

    answers = [client.post("/sign-in/again/", {"password": "wrong"}) for _ in range(15)]

    assert answers[-1].status_code == 429
    assert client.post("/sign-in/again/", {"password": PASSWORD}).status_code == 429


@pytest.mark.parametrize("narrowed", [False, True])
def test_a_hold_that_demands_it_shows_the_way(
    narrowed: bool,
    client: Client,
    ada: Person,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold = hand_over(run, key="mail:1", title="Unclear", queue="unclassified")[0]
    client.force_login(ada)

    def refuse(*_: Any, **__: Any) -> Hold:
        raise Refused(step_up.SENTENCE, code=step_up.CODE)

    monkeypatch.setattr(transitions, "approve", refuse)
    headers = {"HX-Request": "true"} if narrowed else {}
    answer = client.post(f"/holds/{hold.pk}/approve/", headers=headers)
    page = answer.content.decode()

    assert answer.status_code == 403
    assert "This needs a fresh sign-in" in page
    assert f'href="/sign-in/again/?next=%2Fholds%2F{hold.pk}%2F"' in page
