"""The operators' API of the running server: every verb, every person, every kind of token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.utils import timezone

from agents.models import Action, Agent, Run
from agents.transitions import agent as agents
from audit.models import Entry
from people.models import Delegation, Group, Person, PersonalToken, Team
from people.transitions import token as tokens
from reviews.models import Hold
from reviews.transitions import hold as holds
from reviews.transitions import opening
from tests.cast import Door

from .conftest import Rule

type Call = Callable[..., httpx.Response]
type Opened = Callable[[str], str]

VERBS: dict[str, tuple[str, dict[str, Any]]] = {
    "claim": ("approval", {}),
    "release": ("approval", {}),
    "approve": ("approval", {"note": "fine", "revision": 1}),
    "edit": ("approval", {"arguments": {"amount": 60}}),
    "reject": ("approval", {"note": "no"}),
    "answer": ("approval", {"note": "ask the customer"}),
    "ask": ("approval", {"note": "whose order is it?"}),
    "extend": ("approval", {"until": (timezone.now() + timedelta(days=3)).isoformat()}),
    "escalate": ("approval", {"note": "yours", "queue": "ops"}),
    "resume": ("trip", {"was_true": True}),
    "modify": ("trip", {"instruction": "Be brief."}),
    "terminate": ("trip", {"note": "enough"}),
    "resolve": ("review", {"payload": {"label": "billing"}}),
    "retry": ("review", {}),
    "discard": ("review", {}),
    "comment": ("approval", {"text": "I know this customer."}),
}
DECISIONS = {
    "approve": "approved",
    "edit": "edited",
    "reject": "rejected",
    "answer": "answered",
    "ask": "asked",
    "resume": "resumed",
    "modify": "modified",
    "terminate": "terminated",
    "resolve": "resolved",
    "retry": "retried",
    "discard": "discarded",
}


@pytest.fixture
def call(live: str) -> Iterator[Call]:
    """Calls as a person, with a token of theirs."""
    secrets: dict[tuple[str, str], str] = {}
    with httpx.Client(base_url=f"{live}/api/v1", timeout=30) as http:

        def calling(
            by: Person | str, method: str, path: str, body: Any = None, scope: str = "decide", **query: Any
        ) -> httpx.Response:  # fmt: skip
            secret = by if isinstance(by, str) else secrets.get((by.name, scope))
            if secret is None:
                assert isinstance(by, Person)
                _, secret = tokens.issue(by, label="test", scopes=[scope], by=by)
                secrets[by.name, scope] = secret
            headers = {"Authorization": f"Bearer {secret}"} if secret else {}
            return http.request(method, path, json=body, params=query, headers=headers)

        yield calling


@pytest.fixture
def opened(door: Door, scout: Agent, run: Run, otto: Person) -> Opened:
    def one(kind: str) -> str:
        if kind == "approval":
            asked = door.propose(
                uuid4().hex,
                "refund.issue",
                arguments={"amount": 80},
                subject=f"order:{uuid4()}",
                amount="80",
                reason="<b>It said so</b>",
            )
            assert asked.status_code == 202, asked.text
            return str(asked.json()["action"]["id"])
        if kind == "trip":
            return str(agents.stop(scout, by=otto, reason="odd").hold.pk)
        handed = opening.hand_over(
            run, key=uuid4().hex, title="Unclear", queue="unclassified", payload={"label": None}
        )
        return str(handed[0].pk)

    return one


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == answer.status_code
    return answer.status_code, told["code"]


# -- every verb ------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_there(verb: str, call: Call, opened: Opened, ada: Person) -> None:
    kind, body = VERBS[verb]
    pk = opened(kind)

    answer = call(ada, "POST", f"/holds/{pk}/{verb}", body)

    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["decision"] == DECISIONS.get(verb, "")
    assert told["state"] == ("decided" if verb in DECISIONS else "open")
    said = Entry.objects.filter(actor=ada.record_name, about=f"reviews.hold:{pk}")
    via = f"people.token:{PersonalToken.objects.get().pk}"
    assert {entry.data["via"] for entry in said} == {via}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb in DECISIONS])
@pytest.mark.parametrize("state", ["decided", "cancelled", "expired"])
def test_what_is_over_is_not_decided_again(
    verb: str, state: str, call: Call, opened: Opened, ada: Person, otto: Person
) -> None:
    kind, body = VERBS[verb]
    pk = opened(kind)
    end(pk, state, otto)
    entries = changes()

    answer = call(ada, "POST", f"/holds/{pk}/{verb}", body)

    assert problem(answer)[0] == 409
    told = answer.json()
    assert told["hold"]["state"] == state
    if state == "decided":
        assert "otto already" in told["detail"]
        assert told["hold"]["decided_by"] == "person:otto"
    assert changes() == entries
    refused = Entry.objects.get(kind="attempt.refused")
    assert (refused.actor, refused.about) == (ada.record_name, f"reviews.hold:{pk}")


def changes() -> list[tuple[str, str]]:
    """Kind and subject of the entries, but of tokens and of refused attempts."""
    told = Entry.objects.exclude(kind__in=["token.issued", "attempt.refused"]).order_by("pk")
    return list(told.values_list("kind", "about"))


def end(pk: str, state: str, by: Person) -> None:
    hold = Hold.objects.get(pk=pk)
    if state == "decided":
        verb = {"approval": "reject", "trip": "resume", "review": "discard"}[hold.kind]
        getattr(holds, verb)(hold, by=by, note="no")
        return
    now = timezone.now()
    Hold.objects.filter(pk=pk).update(state=state, decided_at=now, decided_by="clock")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb in DECISIONS])
@pytest.mark.parametrize("kind", ["approval", "trip", "review"])
def test_an_answer_fits_its_kind(
    verb: str, kind: str, call: Call, opened: Opened, ada: Person
) -> None:
    if VERBS[verb][0] == kind:
        return
    pk = opened(kind)

    answer = call(ada, "POST", f"/holds/{pk}/{verb}", VERBS[verb][1])

    assert problem(answer) == (422, "invalid")
    assert Hold.objects.get(pk=pk).is_open


# -- every person and every token ------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("name", "scope", "wanted"),
    [
        ("ada", "read", (403, "forbidden")),
        ("iris", "decide", (403, "forbidden")),
        ("bob", "decide", (403, "forbidden")),
        ("eve", "decide", (404, "not_found")),
    ],
)
def test_who_may_not_cannot(
    verb: str,
    name: str,
    scope: str,
    wanted: tuple[int, str],
    call: Call,
    opened: Opened,
    request: pytest.FixtureRequest,
) -> None:
    kind, body = VERBS[verb]
    pk = opened(kind)

    person = request.getfixturevalue(name)
    answer = call(person, "POST", f"/holds/{pk}/{verb}", body, scope)

    if verb == "comment" and wanted[0] == 403 and scope == "decide":
        assert answer.status_code == 200  # whoever may look may say something about it
        return
    assert problem(answer) == wanted
    assert Hold.objects.get(pk=pk).is_open
    said = Entry.objects.filter(actor=person.record_name, about__startswith="reviews.")
    assert not said.exclude(kind="attempt.refused").exists()


@pytest.mark.parametrize(
    ("name", "wanted"), [("ada", 200), ("otto", 200), ("iris", 200), ("bob", 200), ("eve", 404)]
)
def test_who_sees_a_hold_reads_it(
    name: str, wanted: int, call: Call, opened: Opened, request: pytest.FixtureRequest
) -> None:
    pk = opened("approval")
    person = request.getfixturevalue(name)

    one = call(person, "GET", f"/holds/{pk}", scope="read")
    listed = call(person, "GET", "/holds", scope="read").json()

    assert one.status_code == wanted
    assert [row["id"] for row in listed["items"]] == ([pk] if wanted == 200 else [])


def revoked(token: PersonalToken) -> None:
    tokens.revoke(token, by="test")


def expired(token: PersonalToken) -> None:
    past = timezone.now() - timedelta(seconds=1)
    PersonalToken.objects.filter(pk=token.pk).update(expires_at=past)


def left(token: PersonalToken) -> None:
    Person.objects.filter(pk=token.person_id).update(is_active=False)


@pytest.mark.parametrize("over", [revoked, expired, left])
def test_a_token_that_is_over_is_a_strangers(
    over: Callable[[PersonalToken], None], call: Call, opened: Opened, ada: Person
) -> None:
    pk = opened("approval")
    token, secret = tokens.issue(ada, label="x", scopes=["read", "decide"], by=ada)
    assert call(secret, "GET", f"/holds/{pk}").status_code == 200

    over(token)

    for answer in (
        call(secret, "GET", "/holds"),
        call(secret, "GET", f"/holds/{pk}"),
        call(secret, "POST", f"/holds/{pk}/approve", {}),
    ):
        assert problem(answer) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert Hold.objects.get(pk=pk).is_open


def test_keys_and_tokens_open_their_own_doors_only(
    call: Call, opened: Opened, ada: Person, scout_with_key: tuple[Agent, str]
) -> None:
    pk = opened("approval")
    _, secret = tokens.issue(ada, label="x", scopes=["decide"], by=ada)

    assert problem(call(scout_with_key[1], "GET", f"/holds/{pk}")) == (401, "unauthorized")
    assert problem(call("", "GET", "/holds")) == (401, "unauthorized")
    assert problem(call("wfp_" + "x" * 43, "GET", "/holds")) == (401, "unauthorized")
    assert call(secret, "GET", "/agent").status_code == 401


def test_use_is_noted(call: Call, opened: Opened, ada: Person) -> None:
    opened("approval")
    call(ada, "GET", "/holds")
    first = PersonalToken.objects.get().last_used_at
    call(ada, "GET", "/holds")

    assert first
    assert PersonalToken.objects.get().last_used_at == first


# -- what is told ----------------------------------------------------------------------------------


def test_everything_that_is_needed_to_decide(
    call: Call, opened: Opened, rule: Rule, ada: Person, otto: Person, run: Run
) -> None:
    rule(votes=2)
    pk = opened("approval")
    call(ada, "POST", f"/holds/{pk}/comment", {"text": "I know this customer."})
    call(ada, "POST", f"/holds/{pk}/edit", {"arguments": {"amount": 60, "why": "half"}})

    told = call(otto, "GET", f"/holds/{pk}").json()

    assert (told["amount"], told["revision"]) == ("60", 2)
    assert told["votes"] == {"given": 1, "needed": 2}
    assert [(v["person"], v["seat"], v["revision"]) for v in told["vote_list"]] == [
        ("ada", "ada", 2)
    ]
    assert told["comments"][0]["text"] == "I know this customer."
    action = told["action"]
    assert action["reason"] == "<b>It said so</b>", "as data, not as markup"
    assert action["arguments"] == {"amount": 80}
    assert action["candidate"] == action["effective_arguments"] == {"amount": 60, "why": "half"}
    assert action["changes"] == [
        {"key": "amount", "before": 80, "after": 60, "was_there": True, "is_there": True},
        {"key": "why", "before": None, "after": "half", "was_there": False, "is_there": True},
    ]
    assert told["requirement"]["votes"] == 2
    assert "approve" in told["verbs"]
    assert told["links"]["run"].endswith(f"/runs/{run.pk}/")


def test_what_one_read_is_what_one_approves(
    call: Call, opened: Opened, rule: Rule, ada: Person, otto: Person
) -> None:
    rule(votes=2)
    pk = opened("approval")
    call(otto, "POST", f"/holds/{pk}/edit", {"arguments": {"amount": 60}})

    answer = call(ada, "POST", f"/holds/{pk}/approve", {"revision": 1})

    assert problem(answer) == (409, "changed")
    assert answer.json()["hold"]["revision"] == 2
    assert call(ada, "POST", f"/holds/{pk}/approve", {"revision": 2}).json()["state"] == "decided"


def test_the_same_decision_twice_is_refused_once_and_executed_once(
    call: Call, opened: Opened, ada: Person
) -> None:
    pk = opened("approval")

    first = call(ada, "POST", f"/holds/{pk}/approve", {})
    again = call(ada, "POST", f"/holds/{pk}/approve", {})

    assert first.json()["decision"] == "approved"
    assert problem(again) == (409, "conflict")
    assert "ada already approved this" in again.json()["detail"]
    assert Action.objects.get(pk=pk).state == "approved"


def test_what_another_has_claimed_says_who(
    call: Call, opened: Opened, ada: Person, otto: Person
) -> None:
    pk = opened("approval")
    call(otto, "POST", f"/holds/{pk}/claim", {})

    answer = call(ada, "POST", f"/holds/{pk}/approve", {})

    assert problem(answer)[0] == 409
    assert answer.json()["hold"]["claimed_by"] == "otto"


def test_a_fresh_sign_in_is_nothing_a_token_has(
    call: Call, opened: Opened, rule: Rule, ada: Person
) -> None:
    rule(step_up=True)
    pk = opened("approval")

    assert problem(call(ada, "POST", f"/holds/{pk}/approve", {})) == (403, "step_up")


def test_a_delegate_decides_in_the_seat_of_who_is_out(
    call: Call, opened: Opened, ada: Person, bob: Person
) -> None:
    now = timezone.now()
    Delegation.objects.create(giver=ada, taker=bob, starts_at=now, ends_at=now + timedelta(days=1))
    pk = opened("approval")

    told = call(bob, "POST", f"/holds/{pk}/approve", {}).json()

    assert [(v["person"], v["seat"]) for v in told["vote_list"]] == [("bob", "ada")]


def test_what_was_approved_but_not_begun_can_be_told_again(
    call: Call, opened: Opened, ada: Person
) -> None:
    pk = opened("approval")
    assert problem(call(ada, "POST", f"/holds/{pk}/deliver", {}))[0] == 409
    told = call(ada, "POST", f"/holds/{pk}/approve", {}).json()
    assert told["verbs"] == ["deliver", "comment"]

    assert call(ada, "POST", f"/holds/{pk}/deliver", {}).status_code == 200
    assert Entry.objects.filter(kind="hold.redelivered").exists()


# -- lists -----------------------------------------------------------------------------------------


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["items"]]


def test_lists_are_narrowed(
    call: Call, opened: Opened, ada: Person, otto: Person, support: Team, scout: Agent
) -> None:
    asked, handed = opened("approval"), opened("review")
    call(ada, "POST", f"/holds/{handed}/claim", {})

    def listed(**query: Any) -> list[str]:
        return ids(call(ada, "GET", "/holds", **query))

    assert listed() == [handed, asked]
    assert listed(kind="review") == listed(queue="unclassified") == listed(mine="true") == [handed]
    assert listed(agent="scout") == listed(agent=str(scout.pk)) == [handed, asked]
    assert listed(team="support") == listed(team=str(support.pk)) == [handed, asked]
    assert listed(agent="nobody") == listed(queue="none") == listed(team="elsewhere") == []
    call(ada, "POST", f"/holds/{asked}/approve", {})
    assert listed() == [handed]
    assert listed(state="decided") == [asked]
    assert listed(state="any") == [handed, asked]


def test_pages_follow_each_other(call: Call, opened: Opened, ada: Person) -> None:
    made = [opened("review") for _ in range(5)]

    first = call(ada, "GET", "/holds", limit=2)
    opened("review")  # what comes meanwhile moves nothing
    second = call(ada, "GET", "/holds", limit=2, after=first.json()["next"])
    third = call(ada, "GET", "/holds", limit=2, after=second.json()["next"])

    assert ids(first) + ids(second) + ids(third) == made[::-1]
    assert third.json()["next"] is None


def test_assigned_is_what_waits_for_my_yes(
    call: Call, opened: Opened, rule: Rule, ada: Person, otto: Person, bob: Person, support: Team
) -> None:
    anyone = opened("review")
    rule(people=["otto"])
    for_otto = opened("approval")
    rule(votes=2, groups=["leads"])
    Group.objects.create(team=support, name="leads").members.add(ada)
    for_leads = opened("approval")

    def assigned(person: Person) -> set[str]:
        return set(ids(call(person, "GET", "/holds", assigned="true")))

    assert assigned(ada) == {anyone, for_leads}
    assert assigned(otto) == {anyone, for_otto}
    assert assigned(bob) == set()
    now = timezone.now()
    Delegation.objects.create(giver=ada, taker=bob, starts_at=now, ends_at=now + timedelta(days=1))
    assert assigned(bob) == {anyone, for_leads}
    assert call(ada, "POST", f"/holds/{for_leads}/approve", {}).status_code == 200
    assert assigned(ada) == {anyone}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"after": "x"},
        {"state": "gone"},
        {"kind": "thing"},
        {"queue": ""},
        {"colour": "red"},
    ],
)
def test_a_list_that_cannot_be_meant(query: dict[str, Any], call: Call, ada: Person) -> None:
    assert problem(call(ada, "GET", "/holds", **query)) == (422, "invalid")


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("approve", {"colour": "red"}, "colour"),
        ("approve", {"revision": "x"}, "revision"),
        ("approve", {"note": "x" * 10_001}, "note"),
        ("reject", {}, "note"),
        ("edit", {"arguments": [1]}, "arguments"),
        ("edit", {"arguments": {"x": "y" * 300_000}}, "arguments"),
        ("edit", {"arguments": {"x": 2**60}}, "cannot be bound exactly"),
        ("extend", {"until": "tomorrow"}, "until"),
        ("extend", {"until": "2030-01-01T00:00:00"}, "until"),
        ("modify", {"limit": -1}, "limit"),
        ("comment", {"text": ""}, "text"),
    ],
)
def test_a_body_that_cannot_be_meant_names_what(
    verb: str, body: Any, field: str, call: Call, opened: Opened, ada: Person
) -> None:
    pk = opened(VERBS[verb][0])

    answer = call(ada, "POST", f"/holds/{pk}/{verb}", body)

    assert problem(answer) == (422, "invalid")
    assert field in answer.json()["detail"].lower()
    assert Hold.objects.get(pk=pk).is_open


def test_what_is_not_there_is_not_there(call: Call, ada: Person) -> None:
    assert problem(call(ada, "GET", f"/holds/{uuid4()}")) == (404, "not_found")
    assert problem(call(ada, "POST", f"/holds/{uuid4()}/approve", {})) == (404, "not_found")
    assert problem(call(ada, "GET", "/holds/x")) == (404, "not_found")
    assert problem(call(ada, "POST", f"/holds/{uuid4()}/dance", {})) == (404, "not_found")


def test_the_document_knows_the_operators(live: str) -> None:
    document = httpx.get(f"{live}/api/v1/openapi.json").json()

    for verb in VERBS:
        described = document["paths"][f"/api/v1/holds/{{pk}}/{verb}"]["post"]
        assert described["security"] == [{"PersonalTokenAuth": []}]
