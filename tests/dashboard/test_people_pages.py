"""My account and a team's page: what they show, what their forms do, and for whom."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from audit.models import Entry
from dashboard.sessions import SIGNED_IN_AT
from people.models import Calendar, Delegation, Group, Person, PersonalToken, Team
from people.tokens import bearer
from people.transitions import delegation, group, token

DAY = timedelta(days=1)
HOURS: dict[str, Any] = {
    "days": ["0", "1", "2", "3", "4"],
    "opens": "09:00",
    "closes": "17:00",
    "time_zone": "Europe/Berlin",
    "country": "DE",
    "subdivision": "BY",
    "holidays": "2026-12-31\n2027-01-02",
}


def enter(client: Client, person: Person) -> Client:
    client.force_login(person)
    return client


@pytest.fixture
def leads(support: Team) -> Group:
    return group.create(support, "trading-leads", by="test")


@pytest.fixture
def away(ada: Person, otto: Person) -> Delegation:
    now = timezone.now()
    return delegation.give(ada, otto, starts_at=now - DAY, ends_at=now + DAY, by=ada)


# -- out of office ---------------------------------------------------------------------------------


def test_i_say_who_decides_for_me_in_my_own_time_zone(
    client: Client, ada: Person, otto: Person
) -> None:
    Person.objects.filter(pk=ada.pk).update(time_zone="Asia/Tokyo")
    enter(client, ada)
    year = timezone.now().year + 1
    form = {
        "taker": otto.pk,
        "starts_at": f"{year}-01-01T09:00",
        "ends_at": f"{year}-01-02T09:00",
        "reason": "Holidays",
    }

    answer = client.post("/account/out/", form)

    assert answer["Location"] == "/account/"
    made = Delegation.objects.get()
    assert (made.giver, made.taker, made.reason) == (ada, otto, "Holidays")
    assert made.starts_at == datetime.fromisoformat(f"{year}-01-01T09:00+09:00")
    page = client.get("/account/").content.decode()
    assert "otto decides for you" in page
    assert "To come" in page


def test_every_page_says_that_i_am_out_and_for_whom_i_decide(
    client: Client, ada: Person, otto: Person, away: Delegation
) -> None:
    mine = enter(client, ada).get("/settings/").content.decode()
    his = enter(Client(), otto).get("/settings/").content.decode()

    assert "Out<span" in mine
    assert "otto decides" in mine
    assert "Also for ada" in his
    assert "Also for" not in mine


def test_it_costs_a_page_nothing(
    client: Client, ada: Person, away: Delegation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    enter(client, ada)
    client.get("/runs/")

    with django_assert_num_queries(3):
        client.get("/runs/")


@pytest.mark.parametrize(("name", "status"), [("ada", 302), ("otto", 302), ("bob", 404)])
def test_both_may_end_it(
    name: str, status: int, client: Client, away: Delegation, request: pytest.FixtureRequest
) -> None:
    enter(client, request.getfixturevalue(name))

    assert client.post(f"/account/out/{away.pk}/end/").status_code == status
    away.refresh_from_db()
    assert (away.ended_at is not None) is (status == 302)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"taker": ""}, "Choose who decides"),
        ({"taker": "eve"}, "Choose somebody who watches one of your teams"),
        ({"taker": str(uuid4())}, "Choose somebody who watches one of your teams"),
        ({"starts_at": ""}, "The beginning is no date"),
        ({"ends_at": "2020-01-01T00:00"}, "end after it begins"),
        ({"reason": "x" * 301}, "300 characters"),
    ],
)
def test_what_makes_no_sense_is_said_and_what_was_typed_stays(
    more: dict[str, str], sentence: str, client: Client, ada: Person, otto: Person, eve: Person
) -> None:
    now = timezone.now()
    form = {
        "taker": str(otto.pk),
        "starts_at": f"{now:%Y-%m-%dT%H:%M}",
        "ends_at": f"{now + DAY:%Y-%m-%dT%H:%M}",
        "reason": "Holidays",
    } | more
    if form["taker"] == "eve":
        form["taker"] = str(eve.pk)

    answer = enter(client, ada).post("/account/out/", form)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert sentence in page
    if "reason" not in more:
        assert 'value="Holidays"' in page
    assert not Delegation.objects.exists()


def test_strangers_are_not_offered_nor_found_out(client: Client, ada: Person, eve: Person) -> None:
    page = enter(client, ada).get("/account/").content.decode()

    assert not re.search(r"\beve\b", page)


def test_who_only_reads_needs_nobody(client: Client, bob: Person) -> None:
    page = enter(client, bob).get("/account/").content.decode()

    assert "Nobody needs to stand in for you" in page


# -- tokens ----------------------------------------------------------------------------------------


def test_a_token_is_shown_once(client: Client, ada: Person) -> None:
    enter(client, ada)

    made = client.post("/account/tokens/add/", {"label": "pager", "scope": "decide", "days": "30"})

    found = re.search(r"wfp_[\w-]{43}", made.content.decode())
    assert found
    assert made["Cache-Control"].find("no-store") >= 0
    kept = bearer(found[0], timezone.now())
    assert kept
    assert (kept.label, kept.scopes) == ("pager", ["decide", "read"])
    assert found[0] not in client.get("/account/").content.decode()


def test_a_token_needs_a_fresh_sign_in(client: Client, ada: Person) -> None:
    enter(client, ada)
    session = client.session
    session[SIGNED_IN_AT] -= 3600
    session.save()

    page = client.get("/account/").content.decode()
    answer = client.post("/account/tokens/add/", {"label": "x", "scope": "read", "days": "30"})

    assert "/sign-in/again/?next=%2Faccount%2F" in page
    assert answer.status_code == 422
    assert not PersonalToken.objects.exists()


@pytest.mark.parametrize(
    "more", [{"label": ""}, {"scope": "all"}, {"days": "0"}, {"days": "9999"}, {"days": "²"}]
)
def test_a_token_that_cannot_be_meant(more: dict[str, str], client: Client, ada: Person) -> None:
    form = {"label": "x", "scope": "read", "days": "30"} | more

    assert enter(client, ada).post("/account/tokens/add/", form).status_code == 422
    assert not PersonalToken.objects.exists()


@pytest.mark.parametrize(("name", "status"), [("ada", 302), ("otto", 404), ("eve", 404)])
def test_i_revoke_my_own(
    name: str, status: int, client: Client, ada: Person, request: pytest.FixtureRequest
) -> None:
    made, _ = token.issue(ada, label="x", scopes=["read"], by=ada)
    enter(client, request.getfixturevalue(name))

    assert client.post(f"/account/tokens/{made.pk}/revoke/").status_code == status
    made.refresh_from_db()
    assert (made.revoked_at is not None) is (status == 302)


# -- a team ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "may"),
    [
        ("ada", 200, True),
        ("otto", 200, True),
        ("iris", 200, False),
        ("bob", 200, False),
        ("eve", 404, False),
    ],
)
def test_who_sees_a_team(
    name: str,
    status: int,
    may: bool,
    client: Client,
    support: Team,
    leads: Group,
    request: pytest.FixtureRequest,
) -> None:
    answer = enter(client, request.getfixturevalue(name)).get(f"/settings/teams/{support.pk}/")

    assert answer.status_code == status
    assert (b"Add a group" in answer.content) is may
    assert (b"Keep these hours" in answer.content) is may
    if status == 200:
        assert b"trading-leads" in answer.content


FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "add": ("groups/add/", {"name": "new"}),
    "rename": ("groups/{group}/rename/", {"name": "other"}),
    "delete": ("groups/{group}/delete/", {}),
    "join": ("groups/{group}/join/", {"person": "{otto}"}),
    "leave": ("groups/{group}/leave/", {"person": "{bob}"}),
    "hours": ("hours/set/", HOURS),
    "no hours": ("hours/remove/", {}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "status"), [("ada", 302), ("otto", 302), ("iris", 403), ("bob", 403), ("eve", 404)]
)
def test_who_arranges_a_team(
    form: str,
    name: str,
    status: int,
    client: Client,
    support: Team,
    leads: Group,
    otto: Person,
    bob: Person,
    request: pytest.FixtureRequest,
) -> None:
    group.add(leads, bob, by="test")
    Calendar.objects.create(team=support, time_zone="UTC", days=[0], opens="09:00", closes="17:00")
    before = Entry.objects.count()
    path, body = FORMS[form]
    body = {k: v.format(otto=otto.pk, bob=bob.pk) if isinstance(v, str) else v for k, v in body.items()}  # fmt: skip
    enter(client, request.getfixturevalue(name))
    made = Entry.objects.count() - before

    path = f"/settings/teams/{support.pk}/" + path.format(group=leads.pk)
    answer = client.post(path, body)

    assert answer.status_code == status
    refused = Entry.objects.filter(kind="attempt.refused").count()
    assert refused == (1 if status == 403 else 0)
    changed = Entry.objects.count() - before - made - refused
    assert (changed > 0) is (status == 302)


def test_a_group_of_another_team_is_none_of_this(
    client: Client, ada: Person, eve: Person, support: Team
) -> None:
    theirs = group.create(Team.objects.get(name="elsewhere"), "theirs", by="test")
    enter(client, ada)

    answer = client.post(f"/settings/teams/{support.pk}/groups/{theirs.pk}/delete/")

    assert answer.status_code == 404
    assert Group.objects.exists()


def test_strangers_are_no_members(
    client: Client, ada: Person, eve: Person, support: Team, leads: Group
) -> None:
    path = f"/settings/teams/{support.pk}/groups/{leads.pk}/join/"

    answer = enter(client, ada).post(path, {"person": str(eve.pk)})

    assert answer.status_code == 422
    assert "Choose somebody who watches this team" in answer.content.decode()


def test_hours_are_kept_and_said_in_a_sentence(client: Client, ada: Person, support: Team) -> None:
    enter(client, ada)

    client.post(f"/settings/teams/{support.pk}/hours/set/", HOURS)

    kept = Calendar.objects.get()
    assert (kept.days, kept.country, kept.subdivision) == ([0, 1, 2, 3, 4], "DE", "BY")
    assert len(kept.holidays) == 2
    page = client.get(f"/settings/teams/{support.pk}/").content.decode()
    assert re.search(r"4 working hours from now is \w+ \d+ \w+, \d\d:\d\d in Europe/Berlin", page)
    assert "Next days off" in page


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"days": []}, "at least one day"),
        ({"days": ["9"]}, "at least one day"),
        ({"opens": "late"}, "Write a time"),
        ({"opens": "09:00", "closes": "09:30"}, "at least one hour"),
        ({"time_zone": "Moon"}, "no such time zone"),
        ({"country": "XX"}, "No holidays are known"),
        ({"subdivision": "ZZ"}, "no region of DE"),
        ({"holidays": "tomorrow"}, "is no date"),
    ],
)
def test_hours_that_cannot_be_meant(
    more: dict[str, Any], sentence: str, client: Client, ada: Person, support: Team
) -> None:
    enter(client, ada)

    shown = client.post(f"/settings/teams/{support.pk}/hours/preview/", HOURS | more)
    answer = client.post(f"/settings/teams/{support.pk}/hours/set/", HOURS | more)

    assert sentence in shown.content.decode()
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Calendar.objects.exists()


def test_a_preview_keeps_nothing(client: Client, ada: Person, eve: Person, support: Team) -> None:
    path = f"/settings/teams/{support.pk}/hours/preview/"

    shown = enter(client, ada).post(path, HOURS).content.decode()

    assert "4 working hours from now" in shown
    assert not Calendar.objects.exists()
    assert enter(Client(), eve).post(path, HOURS).status_code == 404


@pytest.mark.parametrize("path", ["/account/", "/settings/teams/{team}/"])
def test_strangers_to_the_house_sign_in_first(path: str, client: Client, support: Team) -> None:
    answer = client.get(path.format(team=support.pk))

    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


def test_the_record_leads_to_the_team(
    client: Client, ada: Person, support: Team, leads: Group
) -> None:
    group.add(leads, ada, by=ada)
    client.force_login(ada)

    page = client.get("/record/?kind=group.").content.decode()

    assert "ada joined trading-leads" in page
    assert f'href="/settings/teams/{support.pk}/"' in page
