"""Every state of a breaker × every verb: where it leads, or that it is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from agents.models import Agent, Breaker, Run, Trip
from agents.rules.breakers.states import ARROWS, STATES, VERBS
from agents.tasks import sweep
from agents.transitions import agent as agents
from agents.transitions import breaker as breakers
from agents.transitions import forcing, probation
from audit.errors import Conflict, Invalid
from audit.models import Entry
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds

DOC = Path(__file__).parents[2] / "docs" / "breakers-control.md"


@pytest.fixture
def errors(scout: Agent) -> Breaker:
    return Breaker.objects.get(agent=scout, condition="errors")


@pytest.fixture
def put(errors: Breaker, scout: Agent, ada: Person) -> Callable[[str], Breaker]:
    """Brings the breaker into a state by the verbs that lead there."""

    def trip() -> None:
        forcing.force(errors, by=ada, reason="look")
        forcing.release(errors, by=ada)

    def into(state: str) -> Breaker:
        match state:
            case "open":
                trip()
            case "half_open":
                trip()
                holds.resume(Hold.objects.waiting().get(), by=ada)
            case "forced_open":
                forcing.force(errors, by=ada, reason="look")
            case "disabled":
                breakers.disable(errors, by=ada, reason="noise")
            case "shadow":
                breakers.shadow(errors, by=ada, reason="trying")
        errors.refresh_from_db()
        assert errors.state == state
        return errors

    return into


def act(verb: str, breaker: Breaker, ada: Person) -> Any:
    match verb:
        case "force":
            return forcing.force(breaker, by=ada, reason="look")
        case "release":
            return forcing.release(breaker, by=ada)
        case "disable":
            return breakers.disable(breaker, by=ada, reason="noise")
        case "enable":
            return breakers.enable(breaker, by=ada)
        case "shadow":
            return breakers.shadow(breaker, by=ada, reason="trying")
        case "grant":
            return breakers.grant(breaker, by=ada, extra=Decimal(3))
    raise AssertionError(verb)


BY_PEOPLE = ("force", "release", "disable", "enable", "shadow", "grant")


@pytest.mark.parametrize("state", STATES)
def test_every_verb_follows_its_arrow_or_is_refused(
    put: Callable[[str], Breaker], ada: Person, state: str
) -> None:
    breaker, wrong = put(state), []
    before = Breaker.objects.filter(pk=breaker.pk).values().get()
    for verb in BY_PEOPLE:
        due = ARROWS.get((state, verb), "refused")
        with transaction.atomic():
            try:
                act(verb, breaker, ada)
                found = Breaker.objects.get(pk=breaker.pk).state
                assert Entry.objects.order_by("-id")[0].actor == ada.record_name
            except Conflict:
                found = "refused"
                assert Breaker.objects.filter(pk=breaker.pk).values().get() == before
            transaction.set_rollback(True)
        if (state, verb) == ("forced_open", "release") and found == "open":
            due = "open"
        if found != due:
            wrong.append((verb, found, due))
    assert not wrong


def test_every_arrow_stands_in_the_documentation() -> None:
    text = DOC.read_text()

    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    for state in STATES:
        cells = [cell.strip() for cell in rows[f"**{state}**"].split("|")[2:-1]]
        told = dict(zip(VERBS, cells, strict=True))
        assert {v: c.split()[0].strip(",") for v, c in told.items() if c != "–"} == {
            verb: to for (start, verb), to in ARROWS.items() if start == state
        }


def test_forced_open_stays_paused_until_it_is_released(
    put: Callable[[str], Breaker], ada: Person, scout: Agent
) -> None:
    breaker = put("forced_open")
    hold = Hold.objects.waiting().get()

    for verb, words in (
        ("resume", {}),
        ("modify", {"instruction": "x"}),
        ("terminate", {"note": "x"}),
    ):
        with pytest.raises(Conflict, match="forced open: look Release it first"):
            getattr(holds, verb)(hold, by=ada, **words)
    forcing.release(breaker, by=ada)
    holds.resume(hold, by=ada)

    breaker.refresh_from_db()
    scout.refresh_from_db()
    assert (breaker.state, scout.state) == ("half_open", "active")


def test_a_stop_by_hand_is_not_resumed_past_a_forced_breaker(
    errors: Breaker, scout: Agent, ada: Person
) -> None:
    hold = agents.stop(scout, by=ada, reason="odd").hold
    forcing.force(errors, by=ada, reason="look")

    with pytest.raises(Conflict, match="forced open"):
        holds.resume(hold, by=ada)

    forcing.release(errors, by=ada)
    errors.refresh_from_db()
    assert errors.state == "closed"


def test_a_breaker_disabled_for_an_hour_watches_again_and_counts_from_then(
    errors: Breaker, ada: Person
) -> None:
    until = timezone.now() + timedelta(hours=1)
    breakers.disable(errors, by=ada, reason="a deployment", until=until)
    sweep()
    assert Breaker.objects.get(pk=errors.pk).state == "disabled"
    Breaker.objects.filter(pk=errors.pk).update(disabled_until=timezone.now())

    sweep()
    sweep()

    errors.refresh_from_db()
    assert (errors.state, errors.state_reason, errors.disabled_until) == ("closed", "", None)
    assert errors.reset_at is not None
    assert Entry.objects.filter(kind="breaker.enabled", actor="clock").count() == 1


@pytest.mark.parametrize("days", [-1, 31])
def test_it_rests_for_up_to_thirty_days(errors: Breaker, ada: Person, days: int) -> None:
    with pytest.raises(Invalid, match="30 days"):
        breakers.disable(
            errors, by=ada, reason="x", until=timezone.now() + timedelta(days=days, minutes=1)
        )


def test_dangerous_verbs_need_a_reason(errors: Breaker, ada: Person) -> None:
    for verb in (breakers.disable, breakers.shadow, forcing.force):
        with pytest.raises(Invalid, match="Say why"):
            verb(errors, by=ada, reason=" ")


def test_late_results_of_an_earlier_generation_are_discarded(
    put: Callable[[str], Breaker], ada: Person, scout: Agent, run: Run
) -> None:
    breaker = put("half_open")
    before = breaker.generation
    holds.resume(agents.stop(scout, by=ada, reason="x").hold, by=ada)
    forcing.force(breaker, by=ada, reason="again")

    for _ in range(9):
        probation.settle_probe(
            breaker.pk, before, failed=True, at=timezone.now(), agent_id=scout.pk
        )

    breaker.refresh_from_db()
    assert (breaker.state, breaker.probes_succeeded) == ("forced_open", 0)
    assert Trip.objects.filter(ended_at=None).count() == 1
