"""Pages of control: numbers before every stop, a second question, and buttons only for who may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Action, Agent, Breaker, Policy, Run, Trip
from agents.transitions import agent as agents
from agents.transitions import run as runs
from agents.transitions import switch
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Hold


@pytest.fixture
def sign_in() -> Callable[[Person], Client]:
    def signing(person: Person) -> Client:
        client = Client()
        client.force_login(person)
        return client

    return signing


@pytest.fixture
def executing(scout: Agent, run: Run) -> Action:
    now = timezone.now()
    return Action.objects.create(
        agent=scout,
        run=run,
        call_id="1",
        tool="search",
        item="mail:1",
        kind="tool",
        digest=b"0" * 32,
        state="executing",
        claim_id="c",
        created_at=now,
        claimed_at=now,
        lease_until=now + timedelta(minutes=5),
    )


def test_the_switch_says_in_numbers_what_it_does_and_asks_twice(
    sign_in: Callable[[Person], Client], support: Team, scout: Agent, run: Run, ada: Person
) -> None:
    client, there = sign_in(ada), f"/switch/teams/{support.pk}/"

    assert "Pauses 1 agent with 1 live run." in client.get(there).content.decode()
    refused = client.post(there, {"reason": "x", "word": "yes"})
    assert refused.status_code == 422
    assert "Type support to say that you mean it." in refused.content.decode()
    assert "Say why" in client.post(there, {"reason": "", "word": "support"}).content.decode()
    assert client.post(there, {"reason": "A key leaked.", "word": "support"}).status_code == 302

    floor = client.get("/").content.decode()
    assert "1 agent paused" in floor
    assert "A key leaked." in floor
    group = Trip.objects.get().group
    page = client.get(f"/switch/resume/{group}/").content.decode()
    assert "Resumes 1 agent with 1 live run." in page
    client.post(f"/switch/resume/{group}/", {"word": "RESUME"})
    scout.refresh_from_db()
    assert scout.state == "active"
    assert client.get(f"/switch/resume/{group}/").status_code == 404


def test_only_who_may_sees_the_switch(
    sign_in: Callable[[Person], Client], scout: Agent, ada: Person, otto: Person, bob: Person
) -> None:
    assert "/switch/" in sign_in(ada).get("/").content.decode()
    assert "/switch/" not in sign_in(bob).get("/").content.decode()
    assert sign_in(bob).get("/switch/").status_code == 403
    assert "Pause all" not in sign_in(ada).get("/switch/").content.decode()
    assert sign_in(ada).post("/switch/", {"word": "STOP", "reason": "x"}).status_code == 403
    assert "Pause all 1 agent" in sign_in(otto).get("/switch/").content.decode()

    assert sign_in(otto).post("/switch/", {"word": "STOP", "reason": "x"}).status_code == 302
    assert Agent.objects.get().state == "paused"


def test_an_answer_asks_whether_it_is_for_all(
    sign_in: Callable[[Person], Client], support: Team, scout: Agent, run: Run, ada: Person
) -> None:
    agents.create("second", team=support, by="test")
    switch.stop_team(support, by=ada, reason="x")
    hold, other = Hold.objects.waiting().order_by("id")
    client = sign_in(ada)
    assert "Resumes 2 agents, not only" in client.get(hold.get_absolute_url()).content.decode()

    client.post(f"{hold.get_absolute_url()}resume/", {"group": "1"})

    other.refresh_from_db()
    assert other.is_open
    client.post(f"{other.get_absolute_url()}resume/", {"group": "1", "for_all": "1"})
    assert not Hold.objects.waiting().exists()


def test_what_was_changed_is_kept_and_shown_with_what_it_was(
    sign_in: Callable[[Person], Client], scout: Agent, run: Run, ada: Person
) -> None:
    runs.save_checkpoint(run, name="main", state={"cursor": 4})
    hold = agents.stop(scout, by=ada, reason="odd").hold
    client = sign_in(ada)

    told = client.post(
        f"{hold.get_absolute_url()}modify/",
        {
            "instruction": "Slowly.",
            "state": '{"cursor": 9}',
            "model": "small-1",
            "change_tools": "1",
            "tools": "search\nmail.read",
        },
    )

    assert told.status_code == 302
    hold.refresh_from_db()
    assert hold.payload is not None
    assert hold.payload["changes"] == [
        {"what": "instruction", "before": None, "after": "Slowly."},
        {"what": "state: cursor", "before": 4, "after": 9},
        {"what": "model", "before": None, "after": "small-1"},
        {
            "what": "tools",
            "before": ["search", "mail.read", "refund.issue", "model"],
            "after": ["search", "mail.read"],
        },
    ]
    policy = Policy.objects.get(agent=scout)
    assert policy.document["tools"] == ["search", "mail.read"]
    assert policy.current is not None
    assert (policy.current.author, policy.current.why) == ("person:ada", "After a stop: odd")
    assert {d.kind for d in run.directives.all()} == {"instruction", "state", "model", "tools"}
    page = client.get(hold.get_absolute_url()).content.decode()
    assert "search, mail.read, refund.issue, model" in page
    assert Entry.objects.get(kind="hold.modified").data["changes"] == hold.payload["changes"]


def test_a_breakers_page_forces_and_releases_disables_and_grants(
    sign_in: Callable[[Person], Client], scout: Agent, run: Run, ada: Person, bob: Person
) -> None:
    breaker = Breaker.objects.get(agent=scout, condition="errors")
    client, there = sign_in(ada), f"/breakers/{breaker.pk}/"
    assert "Pauses 1 agent with 1 live run" in client.get(there).content.decode()
    assert "Force it open" not in sign_in(bob).get(there).content.decode()
    refused = sign_in(bob).post(f"{there}force/", {"reason": "x"})
    assert refused.status_code == 403
    assert "Forcing a breaker open takes a lead, ops or admin" in refused.content.decode()

    client.post(f"{there}grant/", {"extra": "3"})
    breaker.refresh_from_db()
    assert breaker.extra == Decimal(3)
    client.post(f"{there}force/", {"reason": "Look."})
    breaker.refresh_from_db()
    assert (breaker.state, breaker.extra) == ("forced_open", Decimal(0))
    assert "release" in client.get(there).content.decode()
    client.post(f"{there}release/")
    again = client.post(f"{there}disable/", {"reason": "x", "for": "1h"})
    assert again.status_code == 409
    assert "answer its trip first" in again.content.decode()
    client.post(f"{Hold.objects.get().get_absolute_url()}resume/", {})
    client.post(f"{there}disable/", {"reason": "x", "for": "1h"})
    breaker.refresh_from_db()
    assert breaker.disabled_until is not None
    assert "It watches again" in client.get(there).content.decode()


def test_what_is_in_flight_is_listed_and_asked_to_stop(
    sign_in: Callable[[Person], Client],
    executing: Action,
    scout: Agent,
    run: Run,
    ada: Person,
    bob: Person,
) -> None:
    client = sign_in(ada)
    for page in (scout.get_absolute_url(), run.get_absolute_url()):
        assert "Ask 1 action to stop" in client.get(page).content.decode()
        assert "Ask 1 action to stop" not in sign_in(bob).get(page).content.decode()
    there = f"/runs/{run.pk}/actions/{executing.pk}/cancel/"
    assert sign_in(bob).post(there).status_code == 403

    assert client.post(there).status_code == 302
    client.post(f"/agents/{scout.pk}/cancel/")
    client.post(f"/runs/{run.pk}/cancel/")

    assert "asked to stop" in client.get(run.get_absolute_url()).content.decode()
    assert Entry.objects.filter(kind="action.cancel_asked").count() == 1
    Action.objects.update(state="failed", error={"type": "cancelled"}, settled_at=timezone.now())
    assert client.post(there, follow=True).status_code == 200
