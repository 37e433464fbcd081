"""Limits on their pages: how each stands, who waits, who may change it, and what a stranger sees of the house's."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent, Limit, LimitUse, Permit, Run
from agents.rules.limits import parse_limit
from agents.transitions import agent as agents
from agents.transitions import limit as limits
from audit.models import Entry
from people.models import Person, Role, Team
from people.transitions import person as people

pytestmark = pytest.mark.django_db

LIST = "/settings/limits/"


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


@pytest.fixture
def desk(ada: Person) -> Client:
    return sign_in(ada)


@pytest.fixture
def openai(support: Team) -> Limit:
    written = {"resource": "openai", "rate": "60/1m", "burst": 2, "concurrency": 4}
    return limits.set(support, parse_limit(written), by="test")


def use(limit: Limit, agent: Agent, **counts: Any) -> None:
    minute = int(timezone.now().timestamp()) // 60
    LimitUse.objects.create(limit=limit, agent=agent, minute=minute, **counts)


def form(**more: Any) -> dict[str, Any]:
    return {"rate": "60/1m", "burst": "2", "concurrency": "4", "lease": "5m", **more}


def test_an_empty_list_says_what_would_stand_there(desk: Client, bob: Person) -> None:
    assert "Nothing is limited yet" in text(desk, LIST)
    assert "Leads, ops and admins set them" in text(sign_in(bob), LIST)


def test_a_limit_is_added_and_recorded(desk: Client, support: Team, ada: Person) -> None:
    answer = desk.post(f"{LIST}add/", form(resource="openai", team=str(support.pk)))

    made = Limit.objects.get()
    assert answer["Location"] == f"{LIST}{made.pk}/"
    assert (made.count, made.burst, made.concurrency) == (60, 2, 4)
    assert Entry.objects.get(kind="limit.set").actor == ada.record_name


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"resource": ""}, "Name what is limited"),
        ({"resource": "a b"}, "Name what is limited"),
        ({"rate": "often"}, "Write how many in how long"),
        ({"rate": "", "concurrency": ""}, "Say how often"),
        ({"burst": "x"}, "A whole number is needed"),
        ({"burst": "٣"}, "A whole number is needed"),
        ({"concurrency": "-1"}, "A whole number is needed"),
        ({"lease": "soon"}, "Write for how long"),
    ],
)
def test_what_cannot_be_meant_is_said_and_kept_in_the_form(
    desk: Client, support: Team, typed: dict[str, str], why: str
) -> None:
    answer = desk.post(f"{LIST}add/", form(resource="crm", team=str(support.pk)) | typed)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert why in page
    assert f'value="{typed.get("resource", "crm")}"' in page
    assert not Limit.objects.exists()


def test_a_resource_is_not_limited_twice_by_accident(
    desk: Client, support: Team, openai: Limit
) -> None:
    answer = desk.post(f"{LIST}add/", form(resource="openai", team=str(support.pk), rate="1/1s"))

    assert answer.status_code == 409
    assert "has a limit already" in answer.content.decode()


def test_it_is_changed_unless_somebody_was_first(desk: Client, openai: Limit, otto: Person) -> None:
    was = openai.changed_at.isoformat()
    limits.set(openai.team, parse_limit({"resource": "openai", "rate": "9/1m"}), by=otto)

    late = desk.post(f"{LIST}{openai.pk}/change/", form(was=was))
    openai.refresh_from_db()
    fresh = desk.post(
        f"{LIST}{openai.pk}/change/", form(was=openai.changed_at.isoformat(), rate="90/1m")
    )

    assert late.status_code == 409
    assert "otto changed it meanwhile, to 9 in 1 minute" in late.content.decode()
    assert fresh.status_code == 302
    openai.refresh_from_db()
    assert openai.count == 90


def test_a_part_is_switched_off_by_emptying_its_field(desk: Client, openai: Limit) -> None:
    desk.post(f"{LIST}{openai.pk}/change/", form(rate="", was=openai.changed_at.isoformat()))

    openai.refresh_from_db()
    assert (openai.count, openai.burst, openai.concurrency) == (None, None, 4)


def test_a_form_that_does_not_say_what_it_changes_is_refused(desk: Client, openai: Limit) -> None:
    assert desk.post(f"{LIST}{openai.pk}/change/", form()).status_code == 422


def test_it_is_removed(desk: Client, openai: Limit) -> None:
    answer = desk.post(f"{LIST}{openai.pk}/remove/", follow=True)

    assert "openai has no limit any more" in answer.content.decode()
    assert desk.get(f"{LIST}{openai.pk}/").status_code == 404


def test_the_page_tells_who_holds_who_waits_and_the_last_hour(
    desk: Client, openai: Limit, scout: Agent, run: Run
) -> None:
    now = timezone.now()
    Limit.objects.update(tat=now + timedelta(seconds=32))
    common = {"limit": openai, "agent": scout, "asked_at": now, "until": now + timedelta(minutes=4)}
    Permit.objects.create(**common, is_lease=True, starts_at=now, run=run)
    Permit.objects.create(**common, is_lease=True, starts_at=now + timedelta(seconds=20))
    Permit.objects.create(**common, is_lease=True)
    Permit.objects.create(**common | {"until": now}, is_lease=True, starts_at=now)
    use(openai, scout, granted=41, units=41, delayed=30, refused=7)

    page = text(desk, f"{LIST}{openai.pk}/")

    assert re.search(r"Booked for (29|30)\.\d s · 1 slot to come", page)
    assert "2 of 4 taken · 1 waits for a place" in page
    assert "Last hour: 41 permits, 30 told to wait, 7 refused" in page
    assert "2 places held, 1 waiting, 1 booked: those end." in page
    assert f"/runs/{run.pk}/" in desk.get(f"{LIST}{openai.pk}/").content.decode()
    row = text(desk, LIST)
    assert re.search(r"booked for (29|30)\.\d s, 1 waits", row)
    assert "41 permits, 7 refused" in row


def test_who_may_not_change_it_sees_no_form(openai: Limit, bob: Person) -> None:
    page = sign_in(bob).get(f"{LIST}{openai.pk}/").content.decode()

    assert "Change the limit" not in page
    assert "Remove" not in page


def test_the_house_is_limited_by_its_admins_alone(desk: Client, support: Team) -> None:
    root = sign_in(people.create("root", role=Role.ADMIN, by="test"))
    house = form(resource="openai", team="")

    assert desk.post(f"{LIST}add/", house).status_code == 403
    assert "The whole house" not in desk.get(LIST).content.decode()
    assert root.post(f"{LIST}add/", house).status_code == 302
    assert Limit.objects.get().team is None
    assert "the whole house" in text(desk, LIST)


def test_agents_of_other_teams_stay_unnamed_on_the_houses_limit(
    scout: Agent, eve: Person, otto: Person
) -> None:
    house = limits.set(None, parse_limit({"resource": "openai", "concurrency": 9}), by="test")
    now = timezone.now()
    Permit.objects.create(
        limit=house, agent=scout, asked_at=now, starts_at=now, is_lease=True,
        until=now + timedelta(minutes=1), run=None,
    )  # fmt: skip
    hers, _ = agents.create("hers", team=Team.objects.get(name="elsewhere"), by="test")
    use(house, scout, granted=3)
    use(house, hers, granted=2)

    seen = text(sign_in(eve), f"{LIST}{house.pk}/")

    assert "scout" not in seen
    assert "An agent of another team" in seen
    assert "Agents of other teams" in seen
    assert "hers" in seen
    assert "scout" in text(sign_in(otto), f"{LIST}{house.pk}/")


@pytest.mark.parametrize("region", ["standing", "people"])
def test_a_live_region_is_read_alone(desk: Client, openai: Limit, region: str) -> None:
    part = desk.get(f"{LIST}{openai.pk}/?region={region}").content.decode()

    assert f'id="{region}"' in part
    assert "<html" not in part
    assert 'id="limits"' in desk.get(f"{LIST}?region=limits").content.decode()


def test_the_list_reads_as_much_for_many_as_for_one(
    desk: Client, support: Team, openai: Limit, django_assert_max_num_queries: Any
) -> None:
    for n in range(30):
        limits.set(support, parse_limit({"resource": f"api-{n}", "concurrency": 1}), by="test")

    with django_assert_max_num_queries(14):
        desk.get(LIST)


def test_the_settings_lead_there(desk: Client) -> None:
    assert LIST in desk.get("/settings/").content.decode()
