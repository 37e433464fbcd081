"""Every kind of hold × every answer × every state × every person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from agents.models import Action, Agent, Breaker, Directive, Run, Trip
from agents.transitions import agent as agents
from agents.transitions.rows import first
from audit.errors import Conflict, Invalid, NotFound
from audit.models import Entry
from people.models import Person
from reviews.models import Hold, QueueCount
from reviews.tasks import sweep
from reviews.transitions import hold as holds
from reviews.transitions import opening

VERBS: dict[str, tuple[str, dict[str, Any]]] = {
    "approve": ("approval", {}),
    "edit": ("approval", {"arguments": {"amount": 60}}),
    "reject": ("approval", {"note": "no"}),
    "answer": ("approval", {"note": "ask the customer"}),
    "resume": ("trip", {}),
    "modify": ("trip", {"instruction": "Be brief."}),
    "terminate": ("trip", {"note": "enough"}),
    "resolve": ("review", {}),
    "retry": ("review", {}),
    "discard": ("review", {}),
}
KINDS = ("approval", "trip", "review")


@pytest.fixture
def opened(scout: Agent, run: Run, ada: Person) -> Callable[[str], Hold]:
    def opening_one(kind: str) -> Hold:
        if kind == "approval":
            action = Action.objects.create(
                agent=scout,
                run=run,
                call_id="1",
                tool="refund.issue",
                item="x",
                arguments={"amount": 80},
                digest=b"d",
                state="held",
                created_at=timezone.now(),
                expires_at=timezone.now() + timedelta(hours=1),
            )
            return opening.open_approval(action, queue="approvals")
        if kind == "trip":
            return agents.stop(scout, by=ada, reason="odd").hold
        return opening.hand_over(run, key="mail:1", title="Unclear", queue="unclassified")[0]

    return opening_one


def say(verb: str, hold: Hold, by: Person, **more: Any) -> Hold:
    said: Hold = getattr(holds, verb)(hold, by=by, **VERBS[verb][1] | more)
    return said


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_fits_its_kind_of_hold(
    opened: Callable[[str], Hold], ada: Person, kind: str, verb: str
) -> None:
    hold = opened(kind)

    if VERBS[verb][0] != kind:
        with pytest.raises(Invalid):
            say(verb, hold, ada)
        hold.refresh_from_db()
        assert hold.is_open
        return
    decided = say(verb, hold, ada)

    assert decided.state == "decided"
    assert decided.decision in decided.answers
    assert decided.decider == "ada"
    assert Entry.objects.filter(kind=f"hold.{decided.decision}", actor=ada.record_name).count() == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_second_answer_is_refused_and_names_the_first(
    opened: Callable[[str], Hold], ada: Person, otto: Person, verb: str
) -> None:
    hold = opened(VERBS[verb][0])
    say(verb, hold, ada)
    entries = Entry.objects.count()

    with pytest.raises(Conflict, match="ada already"):
        say(verb, hold, otto)

    assert Entry.objects.count() == entries


@pytest.mark.parametrize("verb", [*VERBS, "claim", "release"])
@pytest.mark.parametrize(
    ("name", "refusal"), [("iris", PermissionDenied), ("bob", PermissionDenied), ("eve", NotFound)]
)
def test_who_may_not_decide_cannot(
    opened: Callable[[str], Hold],
    request: pytest.FixtureRequest,
    verb: str,
    name: str,
    refusal: type[Exception],
) -> None:
    hold = opened(VERBS.get(verb, ("approval", {}))[0])
    person: Person = request.getfixturevalue(name)

    with pytest.raises(refusal):
        getattr(holds, verb)(hold, by=person, **VERBS.get(verb, ("", {}))[1])

    hold.refresh_from_db()
    assert hold.is_open


@pytest.mark.parametrize("name", ["ada", "otto"])
def test_leads_and_ops_decide(
    opened: Callable[[str], Hold], request: pytest.FixtureRequest, name: str
) -> None:
    hold = holds.approve(opened("approval"), by=request.getfixturevalue(name))

    assert hold.decider == name


def test_rejecting_needs_a_reason(opened: Callable[[str], Hold], ada: Person) -> None:
    with pytest.raises(Invalid):
        holds.reject(opened("approval"), by=ada, note="  ")


def test_what_another_holds_cannot_be_decided_until_the_lease_ends(
    opened: Callable[[str], Hold], ada: Person, otto: Person
) -> None:
    hold = holds.claim(opened("approval"), by=ada)

    with pytest.raises(Conflict, match="ada has this"):
        holds.approve(hold, by=otto)
    Hold.objects.filter(pk=hold.pk).update(claimed_until=timezone.now())

    assert holds.approve(hold, by=otto).decider == "otto"


def test_released_is_free_again(opened: Callable[[str], Hold], ada: Person, otto: Person) -> None:
    hold = holds.release(holds.claim(opened("review"), by=ada), by=ada)

    assert holds.claim(hold, by=otto).claimed_by == otto


def test_nobody_answered_is_no(opened: Callable[[str], Hold]) -> None:
    hold = opened("approval")
    Hold.objects.filter(pk=hold.pk).update(expires_at=timezone.now())

    sweep()
    sweep()

    hold.refresh_from_db()
    assert hold.state == "expired"
    assert hold.action is not None
    hold.action.refresh_from_db()
    assert hold.action.state == "expired"
    assert Entry.objects.filter(kind="hold.expired").count() == 1


def test_deadlines_stand_still_while_the_agent_is_paused(
    opened: Callable[[str], Hold], ada: Person
) -> None:
    hold = opened("approval")
    trip = opened("trip")
    past = timezone.now() - timedelta(minutes=5)
    Hold.objects.filter(pk=hold.pk).update(frozen_at=past, expires_at=past + timedelta(minutes=1))

    sweep()
    holds.resume(trip, by=ada)

    hold.refresh_from_db()
    assert hold.is_open
    assert not hold.is_frozen
    assert hold.expires_at is not None
    assert timedelta(seconds=50) < hold.expires_at - timezone.now() <= timedelta(minutes=1)
    assert Action.objects.get().expires_at == hold.expires_at


def test_modify_raises_the_limit_and_tells_the_agent(scout: Agent, run: Run, ada: Person) -> None:
    from agents.rules.breakers import Tripped, Verdict
    from agents.rules.facts import Event
    from agents.transitions import tripping
    from agents.weighing import breakers_decoder

    text = first(
        "select agents_breakers_json(%(a)s, %(t)s, %(r)s, now())",
        a=scout.pk,
        t=scout.team_id,
        r=run.pk,
    )[0]
    facts = next(b for b in breakers_decoder.decode(text) if b.condition == "errors")
    trip = tripping.trip(
        Tripped(facts, Verdict.trip("too many", 10)),
        Event("settled", tool="search", failed=True),
        agent_id=scout.pk,
        run_id=run.pk,
        at=timezone.now(),
        evidence={},
    )

    assert trip is not None
    holds.modify(trip.hold, by=ada, limit=Decimal(20), state={"skip": ["m1"]}, was_true=False)

    breaker = Breaker.objects.get(condition="errors")
    assert (breaker.state, breaker.limit) == ("half_open", Decimal(20))
    trip.refresh_from_db()
    assert (trip.was_true, trip.ended_at is not None) == (False, True)
    assert [d.kind for d in Directive.objects.order_by("id")] == ["state", "limit"]
    scout.refresh_from_db()
    assert scout.state == "active"


def test_modify_must_change_something(opened: Callable[[str], Hold], ada: Person) -> None:
    with pytest.raises(Invalid):
        holds.modify(opened("trip"), by=ada)
    with pytest.raises(Invalid, match="no limit"):
        holds.modify(Hold.objects.get(), by=ada, limit=Decimal(5))


def test_an_unknown_outcome_goes_to_a_person(
    opened: Callable[[str], Hold], run: Run, ada: Person
) -> None:
    from agents.tasks import sweep as look

    action = opened("approval").action
    assert action is not None
    Action.objects.filter(pk=action.pk).update(
        state="executing", claim_id="c", lease_until=timezone.now() - timedelta(seconds=1)
    )

    look()
    look()

    asked = Hold.objects.get(kind="review")
    assert asked.queue.name == "unknown-outcomes"
    holds.resolve(asked, by=ada, note="the bank has it")
    action.refresh_from_db()
    assert action.state == "succeeded"


def test_counts_are_kept(opened: Callable[[str], Hold], ada: Person) -> None:
    hold = opened("approval")
    opened("review")

    def counts() -> dict[str, int]:
        return dict(QueueCount.objects.values_list("kind", "waiting"))

    before = counts()
    holds.approve(hold, by=ada)

    assert before == {"approval": 1, "review": 1}
    assert counts() == {"approval": 0, "review": 1}


def test_retiring_ends_everything(
    opened: Callable[[str], Hold], scout: Agent, run: Run, ada: Person
) -> None:
    waiting, stopped = opened("approval"), opened("trip")

    agents.retire(scout, by=ada)

    for hold in (waiting, stopped):
        hold.refresh_from_db()
        assert hold.state == "cancelled"
    run.refresh_from_db()
    assert run.state == "terminated"
    assert not scout.keys.filter(revoked_at=None).exists()
    assert not Trip.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize("verb", ["approve", "edit", "reject", "answer"])
def test_an_overdue_approval_is_not_decided_before_the_clock_comes_by(
    verb: str, opened: Callable[[str], Hold], ada: Person
) -> None:
    hold = opened("approval")
    Hold.objects.filter(pk=hold.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    with pytest.raises(Conflict, match="nobody answered in time"):
        getattr(holds, verb)(hold, by=ada, **VERBS[verb][1])
