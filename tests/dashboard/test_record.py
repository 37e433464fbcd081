"""The record as people read it: narrowed, searched within bounds it admits to, saved as CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent, Run
from audit import sequencing, text
from audit.models import Entry
from dashboard.pages import record as pages
from dashboard.views.record import nouns
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


def settled() -> None:
    """Every entry has its place, and can be found by its words."""
    sequencing.sequence_all()
    text.index_all()


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


def test_every_kind_is_called_by_words(scout: Agent, iris: Person) -> None:
    words = [word for _, word in nouns()]

    assert len(set(words)) == len(words)
    assert not [word for word in words if "_" in word or word.endswith("ss")]


def test_one_reads_only_of_teams_in_which_ones_role_reads(
    scout: Agent, bob: Person, eve: Person
) -> None:
    other = Team.objects.create(name="third")
    Membership.objects.create(person=bob, team=other, role=Role.AUDITOR)
    write(scout, 1, summary="the secret of support")

    assert "the secret of support" not in sign_in(bob).get("/record/").content.decode()
    assert "the secret of support" not in sign_in(eve).get("/record/").content.decode()


# -- narrowing -------------------------------------------------------------------------------------


def test_filters_narrow(scout: Agent, run: Run, ada: Person, otto: Person) -> None:
    write(scout, 1, kind="hold.approved", actor=ada.record_name, summary="approved by hand")
    write(scout, 1, kind="hold.rejected", actor=otto.record_name, summary="rejected by hand")
    settled()
    client = sign_in(ada)

    def shows(query: str) -> tuple[bool, bool]:
        page = client.get(f"/record/?{query}").content.decode()
        return "approved by hand" in page, "rejected by hand" in page

    assert shows("") == (True, True)
    assert shows("kind=hold.") == (True, True)
    assert shows("kind=hold.approved") == (True, False)
    assert shows("actor=otto") == (False, True)
    assert shows(f"actor={ada.record_name}") == (True, False)
    assert shows("actor=nobody") == (False, False)
    assert shows(f"agent={scout.pk}") == (True, True)
    assert shows(f"run={run.pk}") == (False, False)
    assert shows("about=agents.action:x") == (True, True)
    assert shows("text=APPROVED") == (True, False)
    assert shows("text=hand otto") == (False, True)
    assert shows(f"text=hand&kind=hold.&agent={scout.pk}&actor=ada") == (True, False)
    assert shows("text=hand&about=agents.action:x") == (True, True)
    assert shows("text=hand&about=agents.action:y") == (False, False)
    today = timezone.localdate()
    assert shows(f"since={today}&until={today}") == (True, True)
    assert shows(f"until={today - timedelta(days=1)}") == (False, False)


def test_times_are_those_of_the_readers_zone(scout: Agent, ada: Person) -> None:
    Person.objects.filter(pk=ada.pk).update(time_zone="Asia/Tokyo")
    at = write(scout, 1, kind="budget.set", summary="in Tokyo, of course")[0].at
    settled()
    client = sign_in(ada)
    here = at.astimezone(ZoneInfo("Asia/Tokyo")).replace(second=0, microsecond=0)

    def shows(since: str, until: str, more: str = "") -> bool:
        query = f"kind=budget.set&since={since}&until={until}{more}"
        return "in Tokyo" in client.get(f"/record/?{query}").content.decode()

    def clock(minutes: int, zone: str = "") -> str:
        return f"{here + timedelta(minutes=minutes):%Y-%m-%dT%H:%M}{zone}"

    assert shows(clock(0), clock(1))
    assert shows(clock(0), clock(1), "&text=course")
    assert not shows(clock(1), clock(2))
    assert not shows(clock(1), clock(2), "&text=course")
    assert not shows(clock(0, "Z"), clock(1, "Z"))
    assert shows(clock(0, "%2B09:00"), clock(1, "%2B09:00"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=yesterday", "is no time"),
        ("until=9999-12-31", "is no time"),
        ("since=2026-11-21T10:00&until=2026-11-21T09:00", "ends before it begins"),
        ("text=-otto", "at least one word"),
        ("text=%27%27%27", "at least one word"),
    ],
)
def test_what_cannot_be_meant_is_said(scout: Agent, iris: Person, query: str, said: str) -> None:
    assert said in sign_in(iris).get(f"/record/?{query}").content.decode()


def test_days_find_their_numbers_by_halving(scout: Agent) -> None:
    now = timezone.now()
    made = [write(scout, 1, at=now + timedelta(days=n))[0] for n in range(1, 11)]

    assert pages.first_number_at(now + timedelta(days=4, hours=1)) == made[4].pk
    assert pages.first_number_at(now + timedelta(days=99)) == made[-1].pk + 1


def test_pages_go_on_where_the_last_ended(scout: Agent, iris: Person) -> None:
    made = write(scout, pages.ENTRIES_ON_A_PAGE + 3, kind="budget.set")
    client = sign_in(iris)
    first = client.get("/record/?kind=budget.set").content.decode()

    last_shown = made[3].pk
    assert f'id="entry-{last_shown}"' in first
    assert f"before={last_shown}" in first
    second = client.get(f"/record/?kind=budget.set&before={last_shown}").content.decode()
    assert f'id="entry-{made[2].pk}"' in second
    assert f'id="entry-{last_shown}"' not in second
    assert client.get("/record/?before=x").status_code == 404


def test_a_search_goes_on_where_its_page_ended(scout: Agent, iris: Person) -> None:
    made = write(scout, pages.ENTRIES_ON_A_PAGE + 1, kind="budget.set", summary="the needle")
    settled()
    client = sign_in(iris)

    first = client.get("/record/?text=needle").content.decode()
    assert f'id="entry-{made[0].pk}"' not in first
    assert f"before={made[1].pk}" in first

    further = client.get(f"/record/?text=needle&before={made[1].pk}").content.decode()
    assert f'id="entry-{made[0].pk}"' in further


def test_a_search_finds_nothing_of_other_teams(scout: Agent, eve: Person) -> None:
    write(scout, 3, summary="the secret of support")
    settled()

    assert "the secret" not in sign_in(eve).get("/record/?text=secret").content.decode()


def test_what_came_since_is_told_by_itself(scout: Agent, iris: Person) -> None:
    old = write(scout, 1, kind="budget.set", summary="before")[0]
    settled()
    new = write(scout, 1, kind="budget.set", summary="after")[0]
    client = sign_in(iris)

    tail = client.get(f"/record/?kind=budget.set&region=tail&after={old.pk}").content.decode()
    assert f'id="entry-{new.pk}"' in tail
    assert f'id="entry-{old.pk}"' not in tail
    assert "waiting" in tail

    # What waits for its place when a page is made is told again once it has one.
    page = client.get("/record/?kind=budget.set").content.decode()
    assert f"region=tail&after={old.pk}" in page


def test_bars_lead_to_their_stretch_of_time(scout: Agent, iris: Person) -> None:
    now = timezone.now()
    for hours in (1, 1, 30):
        write(scout, 1, kind="budget.set", at=now - timedelta(hours=hours))
    page = sign_in(iris).get("/record/?kind=budget.set").content.decode()

    assert page.count('class="bar"') == 2
    assert "since=" in page.partition('class="histogram"')[2].partition("</svg>")[0]


def test_entries_lead_to_what_they_speak_of(run: Run, ada: Person) -> None:
    page = sign_in(ada).get("/record/").content.decode()

    assert run.get_absolute_url() in page
    assert run.agent.get_absolute_url() in page


def test_a_page_asks_little(scout: Agent, iris: Person, django_assert_max_num_queries: Any) -> None:
    write(scout, 60)
    client = sign_in(iris)

    with django_assert_max_num_queries(24):
        client.get("/record/")


# -- saving ----------------------------------------------------------------------------------------


def test_the_export_is_what_one_sees_and_harmless_in_a_spreadsheet(
    scout: Agent, ada: Person
) -> None:
    write(
        scout,
        1,
        kind="budget.set",
        summary='=HYPERLINK("http://evil")',
        data={"before": {"a": "ü"}},
    )
    answer = sign_in(ada).get("/record/export/?kind=budget.set")

    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["summary"] for row in rows] == ['\'=HYPERLINK("http://evil")']
    assert rows[0]["data"] == '{"before": {"a": "ü"}}'
    assert answer["Content-Disposition"].startswith("attachment")


def test_hostile_text_does_nothing(scout: Agent, ada: Person) -> None:
    write(
        scout,
        1,
        summary="<script>alert(1)</script>\u202e\ue0001\ue000",
        data={"tool": "<b>", "code": "<i>"},
    )
    settled()
    page = (
        sign_in(ada).get("/record/?text=script+<script>alert(2)</script>+or+alert").content.decode()
    )

    assert "<script>alert" not in page
    assert "\u202e" not in page
