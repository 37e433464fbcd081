"""The runs' pages: a story that pages by key, opens line by line, and ends when told."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Action, Run
from dashboard.pages.run import ACTIONS_ON_A_PAGE, RUNS_ON_A_PAGE
from people.models import Person
from reviews.transitions import hold as transitions
from reviews.transitions.opening import hand_over

pytestmark = pytest.mark.django_db


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def done(run: Run, call_id: str, **fields: Any) -> Action:
    given = {"tool": "search", "item": "a", "state": "succeeded", "created_at": timezone.now()}
    return Action.objects.create(
        agent=run.agent, run=run, call_id=call_id, digest=b"x", **{**given, **fields}
    )


def test_what_goes_back_with_a_review_is_folded(run: Run, ada: Person) -> None:
    payload = {"text": "where is my card"}
    review = hand_over(run, key="mail:1", title="Odd", queue="odd", payload=payload)[0]
    transitions.resolve(review.pk, by=ada, note="Done by hand.")

    page = sign_in(ada).get(run.get_absolute_url()).content.decode()
    told = page.partition('id="told-title"')[2].partition("</section>")[0]

    shown, _, folded = told.partition("<details")
    assert "Done by hand." in shown
    assert "where is my card" not in shown
    assert "where is my card" in folded


# -- the list --------------------------------------------------------------------------------------


def test_the_list_narrows_and_pages(run: Run, ada: Person) -> None:
    Run.objects.bulk_create(
        Run(agent=run.agent, name=f"run {n:03}") for n in range(RUNS_ON_A_PAGE + 5)
    )
    Run.objects.filter(pk=run.pk).update(state="failed", finished_at=timezone.now())
    client = sign_in(ada)

    first = client.get("/runs/").content.decode()
    newest = Run.objects.order_by("-pk").first()
    assert newest
    last = Run.objects.order_by("-pk")[RUNS_ON_A_PAGE - 1]
    older = client.get(f"/runs/?before={last.pk}").content.decode()

    assert newest.name in first
    assert "nightly" not in first
    assert "nightly" in older
    assert "run 000" not in client.get("/runs/?state=failed").content.decode()
    assert client.get("/runs/?before=nonsense").status_code == 404


def test_strangers_find_no_run(run: Run, eve: Person) -> None:
    client = sign_in(eve)
    action = done(run, "1")

    assert str(run.pk) not in client.get("/runs/").content.decode()
    assert client.get(run.get_absolute_url()).status_code == 404
    assert client.get(f"/runs/{run.pk}/actions/{action.pk}/").status_code == 404
    assert client.get(f"/runs/{run.pk}/actions/{action.pk}/raw/").status_code == 404
    assert client.post(f"/runs/{run.pk}/terminate/").status_code == 404


# -- one run ---------------------------------------------------------------------------------------


def test_tries_of_one_step_stand_together(run: Run, ada: Person) -> None:
    error = {"type": "Timeout", "message": "20 s"}
    done(run, "1", step="classify", state="failed", error=error, duration_ms=20_000)
    done(run, "2", step="classify", attempt=2, duration_ms=300, cost_usd="0.25")
    done(run, "3", tool="ticket.file")

    page = sign_in(ada).get(run.get_absolute_url()).content.decode()

    assert page.count('class="step"') == 1
    assert "2 actions, 1 failed" in page
    assert "Timeout: 20 s" in page
    assert '<rect width="100.0"' in page


def test_a_long_run_pages_both_ways(run: Run, ada: Person) -> None:
    made = [done(run, f"call {n}") for n in range(ACTIONS_ON_A_PAGE + 7)]
    client = sign_in(ada)

    def shown(query: str) -> list[bool]:
        page = client.get(f"{run.get_absolute_url()}{query}").content.decode()
        return [f"action-{action.pk}" in page for action in (made[0], made[-1])]

    assert shown("") == [True, False]
    assert shown(f"?after={made[ACTIONS_ON_A_PAGE - 1].pk}") == [False, True]
    assert shown("?before=ffffffff-ffff-ffff-ffff-ffffffffffff") == [False, True]


def test_a_full_page_reads_no_prompt_and_asks_little(
    run: Run, ada: Person, django_assert_max_num_queries: Any
) -> None:
    for n in range(ACTIONS_ON_A_PAGE):
        done(run, f"call {n}", arguments={"prompt": "a secret prompt"})
    client = sign_in(ada)

    with django_assert_max_num_queries(14):
        page = client.get(run.get_absolute_url()).content.decode()

    assert "a secret prompt" not in page


def test_a_line_opens_with_all_that_went_in_and_out(run: Run, ada: Person) -> None:
    action = done(
        run,
        "1",
        arguments={"order": "A-17", "amount": 80},
        approved_arguments={"order": "A-17", "amount": 60},
        decision="edited",
        decided_by="person:ada",
        decided_at=timezone.now(),
        result={"refund": "R-1"},
    )
    address = f"/runs/{run.pk}/actions/{action.pk}/"
    page = sign_in(ada).get(address).content.decode()

    assert "R-1" in page
    assert 'class="was"' in page
    assert '"amount": 80' in sign_in(ada).get(f"{address}raw/").content.decode()


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://traces.example.com/1", True),
        ("javascript:alert(1)", False),
        ("https://ok.example\n.evil", False),
        ("data:text/html,x", False),
    ],
)
def test_only_web_addresses_become_links(run: Run, ada: Person, url: str, is_link: bool) -> None:
    Run.objects.filter(pk=run.pk).update(trace_url=url)
    page = sign_in(ada).get(run.get_absolute_url()).content.decode()

    assert ('rel="noopener noreferrer' in page) is is_link
    assert ("javascript:" in page) is False


# -- ending it -------------------------------------------------------------------------------------


def test_pause_leads_to_its_hold_and_terminate_ends_it(run: Run, ada: Person) -> None:
    client = sign_in(ada)
    answer = client.post(f"/runs/{run.pk}/stop/", {"reason": "odd"})
    assert answer["Location"].startswith("/holds/")

    client.post(f"/runs/{run.pk}/terminate/", {"reason": "enough"})

    run.refresh_from_db()
    assert run.state == "terminated"
    again = client.post(f"/runs/{run.pk}/terminate/", {"reason": "enough"})
    assert again.status_code == 409
    assert "This run is terminated already." in again.content.decode()


def test_those_who_only_read_may_not_end_it(run: Run, bob: Person) -> None:
    client = sign_in(bob)

    assert "/terminate/" not in client.get(run.get_absolute_url()).content.decode()
    assert client.post(f"/runs/{run.pk}/terminate/").status_code == 403
