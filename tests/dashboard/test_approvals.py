"""An approval's page: which rule asks, who may say yes and who has, what was changed, what came before, and afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Action, ActionState, Agent, Run, ToolSchema
from agents.transitions import agent as agents
from agents.transitions import run as runs
from dashboard.pages.form import name_of
from dashboard.sessions import SIGNED_IN_AT
from people.models import Delegation, Group, Person, Role, Team
from people.transitions import person as people
from reviews.models import Comment, Hold, Vote
from reviews.transitions import hold as transitions
from tests.reviews.conftest import Ask, Rule

pytestmark = pytest.mark.django_db

type Held = Callable[..., Hold]

SCHEMA = {
    "type": "object",
    "required": ["amount"],
    "properties": {
        "amount": {"type": "number", "maximum": 500, "title": "Refund", "description": "In USD"},
        "to": {"type": "object", "properties": {"mail": {"type": "string", "minLength": 3}}},
    },
}


def sign_in(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def page(person: Person, hold: Hold, query: str = "") -> str:
    answer = sign_in(person).get(f"{hold.get_absolute_url()}{query}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def post(person: Person, hold: Hold, verb: str, /, **form: Any) -> Any:
    return sign_in(person).post(f"/holds/{hold.pk}/{verb}/", form)


@pytest.fixture
def lena(support: Team) -> Person:
    """Leads support, too."""
    return people.create(
        "lena", role=Role.LEAD, team=support, password="a long password", by="test"
    )


@pytest.fixture
def schema(scout: Agent) -> ToolSchema:
    return ToolSchema.objects.create(agent=scout, tool="refund.issue", schema=SCHEMA)


# -- why you -----------------------------------------------------------------------------------------


def test_the_rule_that_asks_is_named_with_what_it_needs(
    rule: Rule, held: Held, ada: Person
) -> None:
    rule(votes=2, within="4h", otherwise="escalate", escalate_to="ops")

    shown = page(ada, held())

    assert "Rule “" in shown
    assert "needs " in shown
    assert "2 approvals within 4 hours, else it goes to ops" in shown
    assert "version 2" in shown
    assert "it goes to queue ops" in shown


def test_the_votes_are_told_and_what_is_missing(
    rule: Rule, held: Held, ada: Person, otto: Person
) -> None:
    rule(votes=2)
    hold = held()
    assert "Approve (1 of 2): " in page(otto, hold)

    transitions.approve(hold, by=ada, note="Looks right.")

    other, mine = page(otto, hold), page(ada, hold)
    assert "Approve (2 of 2): " in other
    assert "Looks right." in other
    assert "1 more needed" in other
    assert "You said yes" in mine
    assert f"/holds/{hold.pk}/approve/" not in mine


def test_a_yes_that_is_not_the_last_can_be_pressed_twice(
    rule: Rule, held: Held, ada: Person, otto: Person
) -> None:
    rule(votes=2)
    hold = held()
    post(ada, hold, "approve", revision="1")

    again = post(ada, hold, "approve", revision="1")

    assert again.status_code == 302
    hold.refresh_from_db()
    assert (hold.is_open, hold.votes.count()) == (True, 1)

    transitions.reject(hold, by=otto, note="No.")

    assert post(ada, hold, "approve", revision="1").status_code == 409


def test_a_vote_for_what_was_changed_is_struck_through_with_the_change(
    rule: Rule, held: Held, ada: Person, otto: Person, lena: Person
) -> None:
    rule(votes=2)
    hold = held()
    transitions.approve(hold, by=ada)
    transitions.edit(hold, by=otto, arguments={"amount": 70}, note="Less will do.")

    shown = page(lena, hold)

    assert "<s>ada</s>" in shown
    assert "said yes to version 1, which was changed" in shown
    assert "Changed since the agent asked" in shown
    assert 'class="was"' in shown
    assert "Less will do." in shown


def test_each_change_can_be_read_again(rule: Rule, held: Held, ada: Person, otto: Person) -> None:
    rule(votes=3)
    hold = held()
    transitions.edit(hold, by=otto, arguments={"amount": 70})
    transitions.edit(hold, by=ada, arguments={"amount": 75})

    shown = page(ada, hold)

    assert "Version 2" in shown
    assert "Version 3" in shown
    assert 'name="revision" value="3"' in shown


def test_who_may_not_say_yes_reads_why_and_may_still_talk(
    rule: Rule, held: Held, support: Team, ada: Person, otto: Person, bob: Person
) -> None:
    Group.objects.create(team=support, name="refund-leads").members.add(otto)
    rule(groups=["refund-leads"])
    hold = held()

    shown = page(ada, hold)

    assert "This needs the approval of a member of refund-leads" in shown
    assert f"/holds/{hold.pk}/approve/" not in shown
    assert f"/holds/{hold.pk}/edit/" not in shown
    assert f"/holds/{hold.pk}/reject/" in shown
    assert f"/holds/{hold.pk}/approve/" in page(otto, hold)
    assert post(bob, hold, "comment", text="I know this customer.").status_code == 302
    assert "I know this customer." in page(ada, hold)


def test_nobody_is_offered_their_own_request(held: Held, ada: Person, otto: Person) -> None:
    hold = held(on_behalf_of="ada")

    assert "asked on your behalf" in page(ada, hold)
    assert f"/holds/{hold.pk}/approve/" not in page(ada, hold)
    assert "On behalf of <strong>" in page(otto, hold)


def test_what_needs_a_fresh_sign_in_leads_to_it(rule: Rule, held: Held, ada: Person) -> None:
    rule(step_up=True)
    hold = held()
    client = sign_in(ada)
    assert f"/holds/{hold.pk}/approve/" in client.get(hold.get_absolute_url()).content.decode()
    session = client.session
    session[SIGNED_IN_AT] -= 3600
    session.save()

    shown = client.get(hold.get_absolute_url()).content.decode()

    assert f"/sign-in/again/?next=%2Fholds%2F{hold.pk}%2F" in shown
    assert f"/holds/{hold.pk}/approve/" not in shown


def test_a_stand_in_says_whose_seat_it_was(
    rule: Rule, held: Held, support: Team, ada: Person, otto: Person, lena: Person
) -> None:
    rule(people=["ada"])
    now = timezone.now()
    Delegation.objects.create(
        giver=ada, taker=lena, starts_at=now, ends_at=now + timedelta(days=1), reason="away"
    )
    hold = held()

    post(lena, hold, "approve", revision="1")

    shown = page(otto, hold)
    assert "for ada" in shown
    assert "lena approved this" in shown


# -- one approves what one read ----------------------------------------------------------------------


def test_a_yes_to_what_was_changed_meanwhile_is_refused_and_shows_the_way(
    rule: Rule, held: Held, ada: Person, otto: Person
) -> None:
    rule(votes=2)
    hold = held()
    transitions.edit(hold, by=otto, arguments={"amount": 70})

    answer = post(ada, hold, "approve", revision="1")

    assert answer.status_code == 409
    assert "this is version 2" in answer.content.decode()
    assert Vote.objects.filter(person=ada).count() == 0


def test_an_open_page_takes_its_button_away_when_the_request_changes(
    rule: Rule, held: Held, ada: Person, otto: Person
) -> None:
    rule(votes=2)
    hold = held()
    transitions.edit(hold, by=otto, arguments={"amount": 70})

    part = page(ada, hold, "?region=yes&seen=1")

    assert "this is <strong>version 2</strong> now" in part
    assert "/approve/" not in part
    assert "/approve/" in page(ada, hold, "?region=yes&seen=2")


def test_an_edit_of_what_was_changed_meanwhile_is_refused(
    rule: Rule, held: Held, ada: Person, otto: Person
) -> None:
    rule(votes=2)
    hold = held()
    transitions.edit(hold, by=otto, arguments={"amount": 70})

    answer = post(ada, hold, "edit", revision="1", **{name_of(("amount",)): "60"})

    assert answer.status_code == 409
    hold.refresh_from_db()
    assert hold.candidate == {"amount": 70}


@pytest.mark.parametrize("revision", ["x", "-1", "9" * 20])
def test_a_version_that_is_none_is_refused(held: Held, ada: Person, revision: str) -> None:
    assert post(ada, held(), "approve", revision=revision).status_code == 422


# -- the form ----------------------------------------------------------------------------------------


def test_the_form_comes_from_the_tools_schema(schema: ToolSchema, held: Held, ada: Person) -> None:
    shown = page(ada, held())

    assert "Refund" in shown
    assert "In USD. At most 500." in shown
    assert 'type="number"' in shown
    assert 'max="500"' in shown
    assert "1 value the agent left out" in shown


def test_what_the_schema_refuses_is_said_beside_its_field_and_nothing_typed_is_lost(
    schema: ToolSchema, held: Held, ada: Person
) -> None:
    hold = held()
    typed = {name_of(("amount",)): "900", name_of(("to", "mail")): "x", "note": "mine"}

    answer = post(ada, hold, "edit", revision="1", **typed)

    shown = answer.content.decode()
    assert answer.status_code == 422
    for path, text in ((("amount",), "900"), (("to", "mail"), "x")):
        assert f'id="{name_of(path)}-error"><bdi' in shown
        assert f'value="{text}"' in shown
    assert shown.count('aria-invalid="true"') == 2
    assert ">mine</textarea>" in shown
    hold.refresh_from_db()
    assert hold.is_open


def test_htmx_gets_the_errors_beside_the_fields(
    schema: ToolSchema, held: Held, ada: Person
) -> None:
    hold = held()
    answer = sign_in(ada).post(
        f"/holds/{hold.pk}/edit/",
        {name_of(("amount",)): "900"},
        headers={"HX-Request": "true"},
    )

    part = answer.content.decode()
    assert answer.status_code == 422
    assert 'id="edit-fields" hx-swap-oob="outerMorph"' in part
    assert 'aria-invalid="true"' in part
    assert "<html" not in part


def test_what_was_left_out_stays_left_out(schema: ToolSchema, held: Held, ada: Person) -> None:
    hold = held()
    form = {name_of(("amount",)): "60.5", name_of(("to", "mail")): ""}

    post(ada, hold, "edit", revision="1", **form)

    action = Action.objects.get(pk=hold.pk)
    assert json.dumps(action.approved_arguments) == '{"amount": 60.5}'


def test_a_schema_can_say_what_it_wants(held: Held, scout: Agent, ada: Person) -> None:
    words = "</script><script>alert(1)</script>\u202e"
    found = {"title": words, "description": words, "enum": [words, 80]}
    schema = {"type": "object", "properties": {"amount": found}}
    ToolSchema.objects.create(agent=scout, tool="refund.issue", schema=schema)

    shown = page(ada, held())

    assert "<script>alert" not in shown
    assert "\u202e" not in shown.replace('="argument', "").split("<option")[0]


# -- other answers -----------------------------------------------------------------------------------


def test_a_question_brings_a_new_version_with_what_differs(
    ask: Ask, held: Held, ada: Person, otto: Person
) -> None:
    old = held()
    post(ada, old, "ask", note="Why so much?")

    new = Hold.objects.get(pk=ask(arguments={"amount": 60}, reason="Half.")["action"]["id"])

    shown = page(otto, new)
    assert "A new version of an earlier request" in shown
    assert "Why so much?" in shown
    assert f"/holds/{old.pk}/" in shown
    assert "80</bdi></del>" in shown
    before = page(ada, old)
    assert "A new version is here" in before
    assert f"/holds/{new.pk}/" in before
    assert "ada asked the agent first" in before


def test_a_rejection_says_how_often_it_answered_since(ask: Ask, held: Held, ada: Person) -> None:
    hold = held()
    transitions.reject(hold, by=ada, note="Paid back already.")
    for _ in range(2):
        again = ask()["action"]["id"]

    assert "Asked again 2 times since" in page(ada, hold)
    action = Action.objects.get(pk=again)
    told = sign_in(ada).get(f"/runs/{action.run_id}/").content.decode()
    assert "Answered from memory" in told
    assert f"/holds/{hold.pk}/" in told
    assert f"/holds/{action.pk}/" not in told


@pytest.mark.parametrize(("span", "hours"), [("1h", 1), ("4h", 4), ("1d", 24)])
def test_more_time_is_added_to_what_is_left(held: Held, ada: Person, span: str, hours: int) -> None:
    hold = held()
    before = hold.expires_at
    assert before

    post(ada, hold, "extend", **{"for": span})

    hold.refresh_from_db()
    assert hold.expires_at == before + timedelta(hours=hours)


def test_until_when_is_read_in_ones_own_zone(held: Held, ada: Person) -> None:
    ada.time_zone = "Asia/Tokyo"
    ada.save()
    hold = held()
    day = (timezone.now() + timedelta(days=3)).date()

    post(ada, hold, "extend", at=f"{day}T09:30")

    hold.refresh_from_db()
    assert hold.expires_at
    assert f"{hold.expires_at:%Y-%m-%d %H:%M}" == f"{day} 00:30"


@pytest.mark.parametrize("form", [{}, {"at": "soon"}, {"at": "2020-01-01T00:00"}, {"for": "9y"}])
def test_a_time_that_cannot_be_meant_changes_nothing(
    held: Held, ada: Person, form: dict[str, str]
) -> None:
    hold = held()
    before = hold.expires_at

    assert sign_in(ada).post(f"/holds/{hold.pk}/extend/", form).status_code == 422
    hold.refresh_from_db()
    assert hold.expires_at == before


def test_it_is_handed_on_with_a_reason(held: Held, ada: Person) -> None:
    hold = held()
    assert post(ada, hold, "escalate", queue="ops").status_code == 422

    post(ada, hold, "escalate", queue="ops", note="They know the bank.")

    hold.refresh_from_db()
    assert hold.queue.name == "ops"
    assert "Handed on to" in page(ada, hold)


def test_a_comment_that_is_none_is_refused_beside_its_field(held: Held, ada: Person) -> None:
    hold = held()
    answer = sign_in(ada).post(
        f"/holds/{hold.pk}/comment/", {"text": "x" * 10_001}, headers={"HX-Request": "true"}
    )

    assert answer.status_code == 422
    assert 'id="comment-error"' in answer.content.decode()
    assert "x" * 10_001 in answer.content.decode()
    assert Comment.objects.count() == 0


def test_agents_never_read_a_comment(held: Held, take: Any, ada: Person) -> None:
    hold = held()
    post(ada, hold, "comment", text="Between us.")
    post(ada, hold, "approve")

    assert "Between us." not in json.dumps(take(hold.pk))


# -- evidence ----------------------------------------------------------------------------------------


def test_like_this_before_tells_who_decided_and_what_came_of_it(
    held: Held, take: Any, ada: Person, otto: Person
) -> None:
    for n in range(4):
        hold = held(arguments={"amount": 80 + n}, subject=f"order:{n}")
        transitions.approve(hold, by=ada, note=f"note {n}")
        Action.objects.filter(pk=hold.pk).update(state=ActionState.SUCCEEDED)
    transitions.reject(held(arguments={"amount": 99}), by=otto, note="Never again.")

    shown = page(ada, held(arguments={"amount": 5000}))

    assert "5 answered: 4 approved, 0 edited, 1 not approved; none failed afterwards" in shown
    assert "Rejected by otto" in shown
    assert "Never again." in shown
    assert "was 83" in shown.replace('<bdi class="untrusted-line">', "").replace("</bdi>", "")
    assert "higher than in the last 4 calls" in shown


def test_a_value_never_seen_is_marked_and_a_number_of_its_own_is_not(
    held: Held, ada: Person
) -> None:
    for n in range(4):
        arguments = {"amount": 80, "to": "A", "order": f"o-{n}"}
        hold = held(arguments=arguments)
        transitions.approve(hold, by=ada)
        Action.objects.filter(pk=hold.pk).update(state=ActionState.SUCCEEDED)

    shown = page(ada, held(arguments={"amount": 80, "to": "B", "order": "o-9"}))

    assert shown.count("new: not once in the last 4 calls") == 1


def test_the_same_request_in_another_run_is_told(
    ask: Ask, held: Held, scout: Agent, ada: Person
) -> None:
    other = runs.start(scout, name="other")[0]
    twin = ask(run=other)["action"]["id"]

    shown = page(ada, held())

    assert "The very same request waits in another run" in shown
    assert f"/holds/{twin}/" in shown


# -- after the yes -----------------------------------------------------------------------------------


def test_a_yes_nobody_used_can_be_told_again(held: Held, ada: Person) -> None:
    hold = transitions.approve(held(), by=ada)
    Action.objects.filter(pk=hold.pk).update(delivered_at=timezone.now())
    assert "Tell the agent again" in page(ada, hold)

    answer = post(ada, hold, "redeliver")

    assert answer["Location"] == hold.get_absolute_url()
    assert Action.objects.get(pk=hold.pk).delivered_at is None


def test_a_lapsed_yes_says_so(held: Held, ada: Person) -> None:
    hold = transitions.approve(held(), by=ada)
    Action.objects.filter(pk=hold.pk).update(expires_at=timezone.now() - timedelta(minutes=1))

    shown = page(ada, hold)

    assert "the yes has lapsed" in shown
    assert "Renew it and tell the agent again" in shown


def test_what_was_begun_cannot_be_told_again(held: Held, take: Any, ada: Person) -> None:
    hold = transitions.approve(held(), by=ada)
    take(hold.pk)

    assert "Tell the agent again" not in page(ada, hold)
    assert post(ada, hold, "redeliver").status_code == 409


def test_time_stands_still_while_the_agent_is_paused(
    held: Held, scout: Agent, ada: Person, otto: Person
) -> None:
    hold = held()
    agents.stop(scout, by=otto, reason="Odd.")

    assert "deadline stands still since" in page(ada, hold)


# -- who reaches it ----------------------------------------------------------------------------------

VERBS: dict[str, dict[str, str]] = {
    "approve": {"revision": "1"},
    "edit": {"raw": '{"amount": 60}'},
    "ask": {"note": "Why?"},
    "answer": {"note": "No need."},
    "reject": {"note": "No."},
    "extend": {"for": "1h"},
    "escalate": {"queue": "ops", "note": "Yours."},
    "claim": {},
    "comment": {"text": "Hm."},
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("who", "status"), [("eve", 404), ("bob", 403), ("iris", 403), ("ada", 302), ("otto", 302)]
)
def test_every_verb_by_every_person(
    verb: str, who: str, status: int, held: Held, request: pytest.FixtureRequest
) -> None:
    hold = held()
    if verb == "comment" and status == 403:
        status = 302  # whoever sees it may talk about it
    person = request.getfixturevalue(who)

    assert post(person, hold, verb, **VERBS[verb]).status_code == status


@pytest.mark.parametrize(("who", "status"), [("eve", 404), ("bob", 403), ("iris", 403)])
def test_told_again_by_whom(
    who: str, status: int, held: Held, ada: Person, request: pytest.FixtureRequest
) -> None:
    hold = transitions.approve(held(), by=ada)

    assert post(request.getfixturevalue(who), hold, "redeliver").status_code == status


@pytest.mark.parametrize("region", ["standing", "what", "yes", "story", "talk", "amount"])
def test_strangers_read_no_region(region: str, held: Held, eve: Person) -> None:
    hold = held()

    assert sign_in(eve).get(f"{hold.get_absolute_url()}?region={region}").status_code == 404


def test_a_region_that_is_none_is_no_page(held: Held, ada: Person) -> None:
    assert sign_in(ada).get(f"{held().get_absolute_url()}?region=x").status_code == 404


def test_the_whole_page_costs_the_same_however_much_was_said(
    rule: Rule,
    held: Held,
    run: Run,
    ada: Person,
    otto: Person,
    schema: ToolSchema,
    django_assert_max_num_queries: Any,
) -> None:
    rule(votes=2)
    for n in range(6):
        over = held(arguments={"amount": 100 + n})
        transitions.reject(over, by=ada, note="no")
    hold = held()
    transitions.edit(hold, by=otto, arguments={"amount": 70})
    for n in range(20):
        transitions.comment(hold, by=otto, text=f"nr {n}")
    client = sign_in(ada)

    with django_assert_max_num_queries(21):
        client.get(hold.get_absolute_url())
