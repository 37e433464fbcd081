"""A hold's page for each kind, the answers given on it, and who may give them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Action, ActionState, Agent, Directive, Run, Trip
from agents.rules.digest import canonical
from agents.transitions import agent as agents
from audit.models import Entry
from dashboard.pages import hold as hold_pages
from dashboard.pages.form import name_of
from people.models import Person
from reviews.models import Hold, HoldDecision, HoldState
from reviews.transitions import hold as transitions
from reviews.transitions.opening import hand_over, open_approval

pytestmark = pytest.mark.django_db

Ask = Callable[..., Hold]


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def ask(run: Run) -> Ask:
    """Holds an action of scout's for a person."""

    def asking(call_id: str = "1", **fields: Any) -> Hold:
        arguments = fields.pop("arguments", {"order": "A-17", "amount": 82.5, "notify": True})
        action = Action.objects.create(
            agent=run.agent,
            run=run,
            call_id=call_id,
            tool="refund.issue",
            subject="order:A-17",
            item="order:A-17",
            arguments=arguments,
            digest=canonical(arguments)[:32],
            state=ActionState.HELD,
            created_at=timezone.now(),
            **fields,
        )
        return open_approval(action, queue="approvals")

    return asking


@pytest.fixture
def approval(ask: Ask) -> Hold:
    return ask()


@pytest.fixture
def stopped(scout: Agent, run: Run, otto: Person) -> Hold:
    return agents.stop(scout, by=otto, reason="It writes to the wrong people.").hold


@pytest.fixture
def review(run: Run) -> Hold:
    payload = {"text": "where is my", "confidence": 0.31}
    return hand_over(run, key="mail:1", title="Fits nowhere", queue="odd", payload=payload)[0]


# -- looking ---------------------------------------------------------------------------------------


def test_the_story_of_a_review_ends_where_it_was_handed_over(run: Run, ada: Person) -> None:
    times = {"state": "succeeded", "digest": b"x", "tool": "search", "item": "a"}
    fields: dict[str, Any] = {"agent": run.agent, "run": run, **times}
    Action.objects.create(call_id="1", subject="before", created_at=timezone.now(), **fields)
    review = hand_over(run, key="mail:1", title="Fits nowhere", queue="odd")[0]
    Action.objects.create(call_id="2", subject="after", created_at=timezone.now(), **fields)

    story = hold_pages.story(review)

    assert [line.action.subject for step in story.steps for line in step.lines] == ["before"]


def test_the_first_that_anybody_decides_is_not_said_to_be_the_first_that_came(
    ask: Ask, ada: Person
) -> None:
    ask("1")

    page = sign_in(ada).get(ask("2").get_absolute_url()).content.decode()

    assert "Nobody has decided one like this yet" in page


def test_an_approval_shows_what_why_and_each_answers_consequence(
    approval: Hold, ada: Person
) -> None:
    page = sign_in(ada).get(approval.get_absolute_url()).content.decode()

    assert "What will happen" in page
    assert "82.5" in page
    assert "Approve: " in page
    for verb in ("approve", "edit", "answer", "reject", "claim"):
        assert f"/holds/{approval.pk}/{verb}/" in page


def test_a_stop_says_in_numbers_what_terminating_does(
    stopped: Hold, approval: Hold, ada: Person
) -> None:
    page = sign_in(ada).get(stopped.get_absolute_url()).content.decode()

    assert "Terminate 1 run, cancel 1 approval" in " ".join(page.split())
    assert "It writes to the wrong people." in page


def test_a_review_shows_its_work(review: Hold, ada: Person) -> None:
    page = sign_in(ada).get(review.get_absolute_url()).content.decode()

    assert "where is my" in page
    assert "Resolve: the work is done" in page


@pytest.mark.parametrize("region", ["standing", "story", "what", "yes"])
def test_a_live_region_is_read_alone(approval: Hold, ada: Person, region: str) -> None:
    part = sign_in(ada).get(f"{approval.get_absolute_url()}?region={region}").content.decode()

    assert f'id="{region}"' in part
    assert "<html" not in part
    assert "<textarea" not in part


def test_nobody_hears_of_a_strangers_hold(approval: Hold, eve: Person) -> None:
    client = sign_in(eve)

    assert client.get(approval.get_absolute_url()).status_code == 404
    assert client.get(f"/holds/{approval.pk}/raw/").status_code == 404
    assert client.post(f"/holds/{approval.pk}/approve/").status_code == 404


def test_those_who_only_read_see_no_buttons_and_are_refused(approval: Hold, bob: Person) -> None:
    client = sign_in(bob)
    page = client.get(approval.get_absolute_url()).content.decode()
    answer = client.post(f"/holds/{approval.pk}/approve/")

    assert f"/holds/{approval.pk}/approve/" not in page
    assert answer.status_code == 403
    assert "deciding is for leads" in answer.content.decode()
    approval.refresh_from_db()
    assert approval.is_open


def test_hostile_text_is_shown_and_does_nothing(ask: Ask, ada: Person) -> None:
    hold = ask(
        arguments={"<script>alert(1)</script>": "\u202egnp.exe", "long": "x" * 5_000_000}
        | {f"k{n}": n for n in range(300)},
        reason="</figure><img src=x onerror=alert(1)>",
    )
    answer = sign_in(ada).get(hold.get_absolute_url())
    page = answer.content.decode()

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page.replace('dir="auto">\u202e', "").split("<form")[0]
    assert len(page) < 2_000_000


def test_a_page_asks_the_database_the_same_however_much_there_is(
    ask: Ask, run: Run, ada: Person, django_assert_max_num_queries: Any
) -> None:
    holds = [ask(str(n)) for n in range(40)]
    client = sign_in(ada)

    with django_assert_max_num_queries(16):
        client.get(holds[-1].get_absolute_url())


# -- answering -------------------------------------------------------------------------------------


def test_approve_decides_and_comes_back_to_the_page(approval: Hold, ada: Person) -> None:
    answer = sign_in(ada).post(f"/holds/{approval.pk}/approve/", {"note": "fine"})

    assert answer.status_code == 302
    assert answer["Location"] == approval.get_absolute_url()
    approval.refresh_from_db()
    assert (approval.decision, approval.decided_by) == (HoldDecision.APPROVED, "person:ada")


def test_nothing_is_read_before_the_verb_but_who_and_what(
    approval: Hold, ada: Person, django_assert_max_num_queries: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(transitions, "approve", lambda hold, **_: hold)
    client = sign_in(ada)

    with django_assert_max_num_queries(3):  # session with person, roles, hold
        client.post(f"/holds/{approval.pk}/approve/")


def test_an_edit_keeps_types_and_what_was_not_touched(ask: Ask, ada: Person) -> None:
    given = {"a": 1, "amount": 82.5, "big": 9007199254740991, "ok": True, "to": "x", "l": [1]}
    hold = ask(arguments=given)
    names = {key: name_of((key,)) for key in given}
    form = {names["amount"]: "60.25", names["ok"]: "false", names["l"]: "[1]", names["a"]: "1"}

    sign_in(ada).post(f"/holds/{hold.pk}/edit/", form)

    action = Action.objects.get(pk=hold.pk)
    assert action.approved_arguments == given | {"amount": 60.25, "ok": False}
    assert action.approved_arguments["ok"] is False


@pytest.mark.parametrize("typed", ["1,200", "NaN", "1e999", "0.1234567890123456789", "", "9" * 50])
def test_a_number_that_cannot_be_meant_is_named_and_nothing_changes(
    ask: Ask, ada: Person, typed: str
) -> None:
    hold = ask(arguments={"amount": 5})
    answer = sign_in(ada).post(
        f"/holds/{hold.pk}/edit/", {name_of(("amount",)): typed, "note": "mine"}
    )

    assert answer.status_code == 422
    page = answer.content.decode()
    assert "“amount”" in page
    assert "mine" in page
    hold.refresh_from_db()
    assert hold.is_open


@pytest.mark.parametrize("typed", ["{", "[1]", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 5000])
def test_raw_json_that_cannot_be_meant_is_refused(approval: Hold, ada: Person, typed: str) -> None:
    answer = sign_in(ada).post(f"/holds/{approval.pk}/edit/", {"raw": typed})

    assert answer.status_code == 422
    approval.refresh_from_db()
    assert approval.is_open


def test_reject_wants_a_reason_and_the_agent_reads_it(approval: Hold, ada: Person) -> None:
    client = sign_in(ada)
    assert client.post(f"/holds/{approval.pk}/reject/").status_code == 422

    client.post(f"/holds/{approval.pk}/reject/", {"note": "Too much."})

    action = Action.objects.get(pk=approval.pk)
    assert (action.state, action.message) == (ActionState.REJECTED, "Too much.")


def test_an_answer_stands_in_for_the_call(approval: Hold, ada: Person) -> None:
    sign_in(ada).post(f"/holds/{approval.pk}/answer/", {"note": "It was refunded already."})

    action = Action.objects.get(pk=approval.pk)
    assert (action.decision, action.message) == ("answered", "It was refunded already.")


def test_whoever_comes_second_reads_who_was_first(
    approval: Hold, ada: Person, otto: Person
) -> None:
    transitions.approve(approval, by=ada)
    answer = sign_in(otto).post(f"/holds/{approval.pk}/reject/", {"note": "no"})

    assert answer.status_code == 409
    page = answer.content.decode()
    assert "ada already approved this." in page
    assert f"/holds/{approval.pk}/reject/" not in page


def test_htmx_gets_the_sentence_and_how_it_stands(
    approval: Hold, ada: Person, otto: Person
) -> None:
    transitions.approve(approval, by=ada)
    answer = sign_in(otto).post(
        f"/holds/{approval.pk}/approve/", headers={"HX-Request": "true", "HX-Target": "problem"}
    )

    part = answer.content.decode()
    assert answer.status_code == 409
    assert "ada already approved this." in part
    assert 'hx-swap-oob="outerMorph"' in part
    assert 'data-standing="over"' in part
    assert "<html" not in part


def test_htmx_is_answered_quickly_and_then_reads_how_it_stands(
    approval: Hold, ada: Person, django_assert_max_num_queries: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(transitions, "approve", lambda hold, **_: hold)
    client = sign_in(ada)

    with django_assert_max_num_queries(3):
        answer = client.post(f"/holds/{approval.pk}/approve/", headers={"HX-Request": "true"})

    part = answer.content.decode()
    assert answer.status_code == 200
    assert f'hx-get="{approval.get_absolute_url()}?region=standing"' in part
    assert "<html" not in part


# -- the same answer twice --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        ("approve", {"note": "Fine.", "revision": "1"}),
        ("approve", {}),
        ("reject", {"note": "Too much."}),
        ("answer", {"note": "It was refunded already."}),
        ("ask", {"note": "Why eighty?"}),
    ],
)
def test_the_same_answer_twice_is_no_refusal(
    approval: Hold, ada: Person, word: str, typed: dict[str, str]
) -> None:
    page = sign_in(ada)
    first = page.post(f"/holds/{approval.pk}/{word}/", typed)
    refused = Entry.objects.filter(kind="attempt.refused").count()

    again = page.post(f"/holds/{approval.pk}/{word}/", typed)
    narrow = page.post(f"/holds/{approval.pk}/{word}/", typed, headers={"HX-Request": "true"})

    assert (first.status_code, again.status_code, narrow.status_code) == (302, 302, 200)
    assert again["Location"] == approval.get_absolute_url()
    assert "data-answered" in narrow.content.decode()
    assert Entry.objects.filter(kind="attempt.refused").count() == refused


@pytest.mark.parametrize("word", ["resolve", "retry", "discard"])
def test_the_same_answer_to_work_twice_is_no_refusal(review: Hold, ada: Person, word: str) -> None:
    page = sign_in(ada)
    typed = {"note": "Called them."}
    if word == "resolve":
        typed |= {
            "new_key": "category",
            "new_value": "cards",
            name_of(("text",), "payload"): "where",
        }
    page.post(f"/holds/{review.pk}/{word}/", typed)

    again = page.post(f"/holds/{review.pk}/{word}/", typed)

    assert again.status_code == 302
    assert Directive.objects.filter(run=review.run, kind="review").count() == 1


@pytest.mark.parametrize("word", ["resume", "terminate"])
def test_the_same_answer_to_a_stop_twice_is_no_refusal(
    stopped: Hold, ada: Person, word: str
) -> None:
    page = sign_in(ada)
    typed = {"note": "Known.", "was_true": "true"}
    first = page.post(f"/holds/{stopped.pk}/{word}/", typed)

    again = page.post(f"/holds/{stopped.pk}/{word}/", typed)
    differs = page.post(f"/holds/{stopped.pk}/{word}/", typed | {"was_true": "false"})

    assert (first.status_code, again.status_code, differs.status_code) == (302, 302, 409)


def test_an_answer_that_differs_is_refused_though_it_is_the_same_persons(
    approval: Hold, review: Hold, ada: Person, otto: Person
) -> None:
    page = sign_in(ada)
    page.post(f"/holds/{approval.pk}/reject/", {"note": "Too much."})
    page.post(f"/holds/{review.pk}/resolve/", {"note": "Done."})

    for verb, typed in [
        (f"{approval.pk}/reject", {"note": "Too late."}),
        (f"{approval.pk}/approve", {"note": "Too much."}),
        (f"{review.pk}/resolve", {"note": "Done.", "new_key": "category", "new_value": "cards"}),
    ]:
        assert page.post(f"/holds/{verb}/", typed).status_code == 409, verb
    assert sign_in(otto).post(
        f"/holds/{approval.pk}/reject/", {"note": "Too much."}
    ).status_code == 409  # fmt: skip


def test_what_is_at_stake_follows_the_request(approval: Hold, ada: Person) -> None:
    client = sign_in(ada)
    Hold.objects.filter(pk=approval.pk).update(amount="40.00", currency="USD")

    part = client.get(f"{approval.get_absolute_url()}?region=head").content.decode()

    assert "$40" in part
    assert "<html" not in part


def test_an_answered_request_no_longer_looks_as_if_it_waited(approval: Hold, ada: Person) -> None:
    client = sign_in(ada)
    assert '"tag state waits">Approval' in _head(client, approval)

    client.post(f"/holds/{approval.pk}/approve/")

    assert '"tag state off">Approval' in _head(client, approval)


def test_an_answered_stop_says_that_it_was(stopped: Hold, ada: Person) -> None:
    client = sign_in(ada)
    assert '"tag state stopped">Paused' in _head(client, stopped)

    client.post(f"/holds/{stopped.pk}/resume/")

    assert '"tag state off">Was paused' in _head(client, stopped)
    page = client.get(stopped.get_absolute_url()).content.decode()
    assert "scout was paused" in page
    assert "scout is paused" not in page


def _head(client: Client, hold: Hold) -> str:
    return client.get(f"{hold.get_absolute_url()}?region=head").content.decode()


def test_claimed_by_another_there_is_no_button_that_fails(
    approval: Hold, ada: Person, otto: Person
) -> None:
    sign_in(ada).post(f"/holds/{approval.pk}/claim/")

    yes = sign_in(otto).get(f"{approval.get_absolute_url()}?region=yes").content.decode()

    assert "While ada has this, nobody else answers it" in yes
    assert "<button" not in yes


def test_claim_and_release(approval: Hold, ada: Person, otto: Person) -> None:
    mine, others = sign_in(ada), sign_in(otto)
    mine.post(f"/holds/{approval.pk}/claim/")

    assert "has this" in others.get(approval.get_absolute_url()).content.decode()
    assert others.post(f"/holds/{approval.pk}/claim/").status_code == 409

    mine.post(f"/holds/{approval.pk}/release/")

    assert others.post(f"/holds/{approval.pk}/claim/").status_code == 302


def test_resume_with_a_verdict(stopped: Hold, ada: Person) -> None:
    sign_in(ada).post(f"/holds/{stopped.pk}/resume/", {"was_true": "false"})

    assert Trip.objects.get(pk=stopped.pk).was_true is False
    assert Agent.objects.get(pk=stopped.agent_id).state == "active"


def test_modify_tells_the_agent(stopped: Hold, run: Run, ada: Person) -> None:
    form = {"instruction": "Write to nobody.", "state": '{"skip": ["mail:1"]}'}
    sign_in(ada).post(f"/holds/{stopped.pk}/modify/", form)

    told = dict(Directive.objects.filter(run=run).values_list("kind", "body"))
    assert told == {"instruction": {"text": "Write to nobody."}, "state": {"skip": ["mail:1"]}}


@pytest.mark.parametrize(
    "form", [{}, {"state": "[]"}, {"limit": "many"}, {"limit": "-1"}, {"limit": "5"}]
)
def test_a_change_that_cannot_be_meant_changes_nothing(
    stopped: Hold, ada: Person, form: dict[str, str]
) -> None:
    assert sign_in(ada).post(f"/holds/{stopped.pk}/modify/", form).status_code == 422
    stopped.refresh_from_db()
    assert stopped.is_open


def test_terminate_ends_its_runs(stopped: Hold, run: Run, ada: Person) -> None:
    sign_in(ada).post(f"/holds/{stopped.pk}/terminate/", {"note": "enough"})

    run.refresh_from_db()
    assert run.state == "terminated"
    page = sign_in(ada).get(stopped.get_absolute_url()).content.decode()
    assert "No run of it is left" in page


def test_resolve_takes_corrected_and_added_values(review: Hold, ada: Person) -> None:
    form = {
        name_of(("text",), "payload"): "where is my card",
        "new_key": "category",
        "new_value": "card_arrival",
    }
    sign_in(ada).post(f"/holds/{review.pk}/resolve/", form)

    review.refresh_from_db()
    assert review.payload == {
        "text": "where is my card",
        "confidence": 0.31,
        "category": "card_arrival",
    }


@pytest.mark.parametrize(("verb", "said"), [("retry", "retried"), ("discard", "discarded")])
def test_other_answers_to_a_review(review: Hold, ada: Person, verb: str, said: str) -> None:
    sign_in(ada).post(f"/holds/{review.pk}/{verb}/")

    review.refresh_from_db()
    assert review.decision == said


def test_an_answer_that_does_not_fit_the_kind_is_refused(review: Hold, ada: Person) -> None:
    assert sign_in(ada).post(f"/holds/{review.pk}/approve/").status_code == 422


# -- afterwards ------------------------------------------------------------------------------------


def test_the_page_follows_until_it_is_executed(approval: Hold, ada: Person) -> None:
    client = sign_in(ada)
    transitions.approve(approval, by=ada)
    assert "has not asked for the answer yet" in _standing(client, approval)
    assert "To be delivered" in _standing(client, approval)

    now = timezone.now()
    action = Action.objects.filter(pk=approval.pk)
    action.update(delivered_at=now)
    assert "scout</bdi> has the answer" in _standing(client, approval) or (
        "scout has the answer" in _standing(client, approval)
    )

    action.update(state=ActionState.SUCCEEDED, settled_at=now, result={"refund": "R-1"})
    assert "It succeeded" in _standing(client, approval)
    assert "R-1" in _standing(client, approval)


def test_an_expired_hold_says_so(approval: Hold, ada: Person) -> None:
    Hold.objects.filter(pk=approval.pk).update(
        state=HoldState.EXPIRED, decided_by="clock", decided_at=timezone.now()
    )

    assert "Nobody answered in time" in _standing(sign_in(ada), approval)


def test_money_says_its_currency(ask: Ask, ada: Person) -> None:
    hold = ask(amount=Decimal("82.50"), currency="EUR")

    assert "€82.50" in sign_in(ada).get(hold.get_absolute_url()).content.decode()


def _standing(client: Client, hold: Hold) -> str:
    return client.get(f"{hold.get_absolute_url()}?region=standing").content.decode()
