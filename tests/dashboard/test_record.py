"""The record as people read it: narrowed, searched within bounds it admits to, saved as CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent, Run
from audit.models import Entry
from dashboard.pages import record as pages
from people.models import Membership, Person, Role, Team

pytestmark = pytest.mark.django_db


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def write(agent: Agent, n: int, **fields: Any) -> list[Entry]:
    given = {"kind": "action.allowed", "actor": f"agent:{agent.pk}", "about": "agents.action:x"}
    scope = {"team": str(agent.team_id), "agent": str(agent.pk)}
    rows = (Entry(**{**given, **scope, "summary": f"line {i}", **fields}) for i in range(n))
    return Entry.objects.bulk_create(rows)


# -- who reads it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/record/", "/record/export/"])
def test_roles_that_do_not_read_the_record_find_nothing(
    scout: Agent, bob: Person, iris: Person, address: str
) -> None:
    assert sign_in(bob).get(address).status_code == 404
    assert sign_in(iris).get(address).status_code == 200


def test_no_room_is_offered_that_is_not_theirs(bob: Person, iris: Person) -> None:
    assert 'href="/record/"' not in sign_in(bob).get("/").content.decode()
    assert 'href="/record/"' in sign_in(iris).get("/").content.decode()


@pytest.mark.parametrize("noun", ["policy.", "endpoint.", "provisioner."])
def test_every_kind_can_be_asked_for_by_name(scout: Agent, iris: Person, noun: str) -> None:
    assert f'value="{noun}"' in sign_in(iris).get("/record/").content.decode()


def test_one_reads_only_of_teams_in_which_ones_role_reads(
    scout: Agent, bob: Person, eve: Person
) -> None:
    other = Team.objects.create(name="third")
    Membership.objects.create(person=bob, team=other, role=Role.AUDITOR)
    write(scout, 1, summary="the secret of support")

    assert "the secret of support" not in sign_in(bob).get("/record/").content.decode()
    assert "the secret of support" not in sign_in(eve).get("/record/").content.decode()


# -- narrowing -------------------------------------------------------------------------------------


def test_filters_narrow(scout: Agent, run: Run, ada: Person) -> None:
    write(scout, 1, kind="hold.approved", actor="person:ada", summary="approved by hand")
    write(scout, 1, kind="hold.rejected", actor="person:otto", summary="rejected by hand")
    client = sign_in(ada)

    def shows(query: str) -> tuple[bool, bool]:
        page = client.get(f"/record/?{query}").content.decode()
        return "approved by hand" in page, "rejected by hand" in page

    assert shows("") == (True, True)
    assert shows("kind=hold.") == (True, True)
    assert shows("kind=hold.approved") == (True, False)
    assert shows("actor=otto") == (False, True)
    assert shows("actor=person:ada") == (True, False)
    assert shows(f"agent={scout.pk}") == (True, True)
    assert shows(f"run={run.pk}") == (False, False)
    assert shows("about=agents.action:x") == (True, True)
    assert shows("text=APPROVED") == (True, False)
    today = timezone.localdate()
    assert shows(f"since={today}&until={today}") == (True, True)
    assert shows(f"until={today - timedelta(days=1)}") == (False, False)


def test_a_date_that_is_none_is_said(scout: Agent, iris: Person) -> None:
    assert "is no date" in sign_in(iris).get("/record/?since=yesterday").content.decode()


def test_days_find_their_numbers_by_halving(scout: Agent) -> None:
    now = timezone.now()
    made = [write(scout, 1, at=now + timedelta(days=n))[0] for n in range(1, 11)]

    assert pages.first_number_at(now + timedelta(days=4, hours=1)) == made[4].pk
    assert pages.first_number_at(now + timedelta(days=99)) == made[-1].pk + 1


def test_pages_go_on_where_the_last_ended(scout: Agent, iris: Person) -> None:
    made = write(scout, pages.ENTRIES_ON_A_PAGE + 3, kind="test.line")
    client = sign_in(iris)
    first = client.get("/record/?kind=test.line").content.decode()

    last_shown = made[3].pk
    assert f'id="entry-{last_shown}"' in first
    assert f"before={last_shown}" in first
    second = client.get(f"/record/?kind=test.line&before={last_shown}").content.decode()
    assert f'id="entry-{made[2].pk}"' in second
    assert f'id="entry-{last_shown}"' not in second
    assert client.get("/record/?before=x").status_code == 404


def test_a_search_says_where_it_stopped_and_goes_on(
    scout: Agent, iris: Person, monkeypatch: Any
) -> None:
    monkeypatch.setattr(pages, "SEARCHED", 20)
    write(scout, 1, summary="the needle", kind="test.line")
    made = write(scout, 30, kind="test.line")
    client = sign_in(iris)

    page = client.get("/record/?kind=test.line&text=needle").content.decode()
    assert "What is older was not searched." in page
    assert "the needle" not in page
    assert f"before={made[10].pk}" in page

    further = client.get(f"/record/?kind=test.line&text=needle&before={made[10].pk}")
    assert "the needle" in further.content.decode()


def test_entries_lead_to_what_they_speak_of(run: Run, ada: Person) -> None:
    page = sign_in(ada).get("/record/").content.decode()

    assert run.get_absolute_url() in page
    assert run.agent.get_absolute_url() in page


def test_a_page_asks_little(scout: Agent, iris: Person, django_assert_max_num_queries: Any) -> None:
    write(scout, 60)
    client = sign_in(iris)

    with django_assert_max_num_queries(14):
        client.get("/record/")


# -- saving ----------------------------------------------------------------------------------------


def test_the_export_is_what_one_sees_and_harmless_in_a_spreadsheet(
    scout: Agent, ada: Person
) -> None:
    write(scout, 1, kind="test.line", summary='=HYPERLINK("http://evil")', data={"a": "ü"})
    answer = sign_in(ada).get("/record/export/?kind=test.line")

    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["summary"] for row in rows] == ['\'=HYPERLINK("http://evil")']
    assert rows[0]["data"] == '{"a": "ü"}'
    assert answer["Content-Disposition"].startswith("attachment")


def test_hostile_text_does_nothing(scout: Agent, ada: Person) -> None:
    write(scout, 1, summary="<script>alert(1)</script>\u202e", data={"<b>": "<i>"})
    page = sign_in(ada).get("/record/").content.decode()

    assert "<script>alert" not in page
    assert "\u202e" not in page
