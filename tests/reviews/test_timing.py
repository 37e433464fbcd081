"""Time says no, never yes: deadlines, reminders, escalation, working hours, and standing still."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent, Run
from agents.transitions import agent as agents
from agents.transitions import run as runs
from audit.errors import Conflict, Invalid
from audit.models import Entry
from people.models import Calendar, Person, Team
from reviews.models import Hold
from reviews.tasks import sweep
from reviews.transitions import hold as holds

from .conftest import Ask, Rule

type Held = Callable[..., Hold]

HOUR = timedelta(hours=1)
CLOSE = timedelta(seconds=60)
"""What a slow machine may take between two lines."""


def advance(by: timedelta) -> None:
    """Time passes: everything that was, was so much earlier."""
    columns = {
        "reviews_hold": "opened_at expires_at remind_at frozen_at escalated_at claimed_until",
        "agents_action": "created_at expires_at decided_at",
        "agents_trip": "opened_at",
    }
    with connection.cursor() as cursor:
        for table, names in columns.items():
            moved = ", ".join(f"{name} = {name} - %(by)s::interval" for name in names.split())
            cursor.execute(f"update {table} set {moved}", {"by": str(by)})


def fresh(hold: Hold) -> Hold:
    return Hold.objects.select_related("action", "queue").get(pk=hold.pk)


def left(hold: Hold) -> timedelta:
    """How long it may still be answered."""
    hold = fresh(hold)
    assert hold.expires_at is not None
    return hold.expires_at - (hold.frozen_at or timezone.now())


def told(kind: str) -> int:
    return Entry.objects.filter(kind=f"hold.{kind}").count()


# -- nobody answers


def test_time_denies_and_the_agent_cannot_begin(
    rule: Rule, held: Held, take: Callable[[Any], Any], ada: Person, otto: Person
) -> None:
    """Also what lacks one vote only."""
    rule(votes=2, within="4h")
    hold = holds.approve(held(), by=ada)
    advance(timedelta(hours=4))

    with pytest.raises(Conflict, match="nobody answered in time"):
        holds.approve(hold, by=otto)
    sweep()
    sweep()

    over = fresh(hold)
    assert over.action is not None
    assert (over.state, over.decided_by, over.action.state) == ("expired", "clock", "expired")
    assert told("expired") == 1
    with pytest.raises(Conflict):
        take(hold.pk)
    with pytest.raises(Conflict, match="expired by the clock"):
        holds.approve(hold, by=otto)


def test_policy_says_how_long_else_the_agent_does(rule: Rule, held: Held) -> None:
    hold = held(expires_in_s=600)
    assert abs(left(hold) - timedelta(minutes=10)) < CLOSE
    rule(within="2d")

    assert abs(left(held(arguments={"amount": 81}, expires_in_s=600)) - 48 * HOUR) < CLOSE


def test_it_goes_to_others_once_and_is_denied_then(rule: Rule, held: Held, ada: Person) -> None:
    rule(within="4h", otherwise="escalate", escalate_to="night shift")
    hold = holds.claim(held(), by=ada)
    advance(4 * HOUR)

    sweep()
    sweep()
    moved = fresh(hold)
    assert (moved.state, moved.queue.name, moved.claimed_by) == ("open", "night shift", None)
    assert abs(left(hold) - 4 * HOUR) < CLOSE
    assert moved.action is not None
    assert moved.action.expires_at == moved.expires_at
    assert told("escalated") == 1
    advance(4 * HOUR)
    sweep()

    assert fresh(hold).state == "expired"
    assert (told("escalated"), told("expired")) == (1, 1)


def test_what_was_handed_on_can_still_be_approved(rule: Rule, held: Held, ada: Person) -> None:
    rule(within="4h", otherwise="escalate", escalate_to="night shift")
    hold = held()
    advance(4 * HOUR)
    sweep()

    assert holds.approve(hold, by=ada).decision == "approved"


def test_a_person_hands_it_on_with_a_reason(rule: Rule, held: Held, ada: Person) -> None:
    rule(within="4h", otherwise="escalate", escalate_to="night shift")
    hold = held()
    with pytest.raises(Invalid, match="Say why"):
        holds.escalate(hold, by=ada, note=" ")

    moved = holds.escalate(hold, by=ada, note="I am no lawyer.")

    assert moved.queue.name == "night shift"
    assert holds.escalate(hold, by=ada, queue="legal", note="Nor are they.").queue.name == "legal"


def test_a_queue_must_be_named_where_policy_names_none(held: Held, ada: Person) -> None:
    with pytest.raises(Invalid, match="Name the queue"):
        holds.escalate(held(), by=ada, note="Somebody else.")


# -- reminders


def test_reminders_come_at_half_and_at_nine_tenths_each_once(rule: Rule, held: Held) -> None:
    rule(within="10h")
    held()

    seen = []
    for _ in range(10):
        sweep()
        sweep()
        seen.append(told("reminded"))
        advance(HOUR)

    assert seen == [0, 0, 0, 0, 0, 1, 1, 1, 1, 2]
    shares = Entry.objects.filter(kind="hold.reminded").order_by("id")
    assert [entry.data["share"] for entry in shares] == [50, 90]


def test_nobody_is_reminded_of_what_is_over(rule: Rule, held: Held) -> None:
    rule(within="10h")
    held()
    advance(11 * HOUR)

    sweep()

    assert (told("reminded"), told("expired")) == (0, 1)


def test_nobody_is_reminded_of_what_was_decided(rule: Rule, held: Held, ada: Person) -> None:
    rule(within="10h")
    hold = holds.reject(held(), by=ada, note="No.")
    advance(6 * HOUR)

    sweep()
    holds.remind(hold)

    assert told("reminded") == 0


def test_more_time_reminds_anew(rule: Rule, held: Held, ada: Person) -> None:
    rule(within="10h")
    hold = held()
    advance(6 * HOUR)
    sweep()

    holds.extend(hold, by=ada, until=timezone.now() + 20 * HOUR)
    sweep()
    assert told("reminded") == 1
    advance(11 * HOUR)
    sweep()

    assert told("reminded") == 2


# -- more time


def test_more_time_is_more_time_for_both(held: Held, ada: Person) -> None:
    hold = held(expires_in_s=600)
    until = timezone.now() + 5 * HOUR

    extended = fresh(holds.extend(hold, by=ada, until=until, note="The bank is slow."))

    assert extended.action is not None
    assert extended.expires_at == extended.action.expires_at == until
    advance(4 * HOUR)
    sweep()
    assert holds.approve(hold, by=ada).decision == "approved"


@pytest.mark.parametrize(
    ("until", "refusal"),
    [(timedelta(minutes=5), "no later"), (timedelta(days=31), "at most 30 days")],
)
def test_time_is_neither_taken_away_nor_given_without_end(
    held: Held, ada: Person, until: timedelta, refusal: str
) -> None:
    with pytest.raises(Invalid, match=refusal):
        holds.extend(held(expires_in_s=600), by=ada, until=timezone.now() + until)


def test_what_ran_out_is_not_given_more_time(held: Held, ada: Person) -> None:
    hold = held(expires_in_s=600)
    advance(HOUR)

    with pytest.raises(Conflict, match="nobody answered"):
        holds.extend(hold, by=ada, until=timezone.now() + HOUR)


def test_what_has_no_deadline_gets_none(scout: Agent, ada: Person) -> None:
    trip = agents.stop(scout, by=ada, reason="odd").hold

    with pytest.raises(Conflict, match="no deadline"):
        holds.extend(trip, by=ada, until=timezone.now() + HOUR)


# -- working hours


@pytest.fixture
def office(support: Team) -> Callable[..., datetime]:
    """Support works on one day a week, three days from now, nine to five in UTC; returns its opening."""

    def working(**more: Any) -> datetime:
        day = timezone.now().date() + timedelta(days=3)
        facts = {"days": [day.weekday()], "closes": time(17)} | more
        Calendar.objects.create(team=support, time_zone="UTC", opens=time(9), **facts)
        return datetime.combine(day, time(9), UTC)

    return working


def test_the_clock_runs_only_while_the_team_works(
    office: Callable[..., datetime], rule: Rule, held: Held
) -> None:
    opens = office()
    rule(within="6h", working_time=True)

    hold = held()

    assert hold.expires_at == opens + 6 * HOUR
    assert hold.remind_at == opens + 3 * HOUR
    rule(within="10h", working_time=True)
    assert held(arguments={"amount": 81}).expires_at == opens + timedelta(days=7, hours=2)


def test_holidays_are_no_working_time(
    office: Callable[..., datetime], rule: Rule, held: Held
) -> None:
    day = timezone.now().date() + timedelta(days=3)
    opens = office(holidays=[day])
    rule(within="6h", working_time=True)

    assert held().expires_at == opens + timedelta(days=7, hours=6)


def test_who_takes_it_over_has_working_time_too(
    office: Callable[..., datetime], rule: Rule, held: Held, ada: Person
) -> None:
    opens = office()
    rule(within="6h", working_time=True, otherwise="escalate", escalate_to="ops")
    hold = held()
    Hold.objects.filter(pk=hold.pk).update(expires_at=timezone.now())

    sweep()

    assert (fresh(hold).queue.name, fresh(hold).expires_at) == ("ops", opens + 6 * HOUR)


def test_a_pause_outside_working_hours_costs_no_working_time(
    office: Callable[..., datetime], rule: Rule, held: Held, scout: Agent, ada: Person
) -> None:
    """Moved on by the whole night it would run out while nobody works."""
    opens = office()
    rule(within="6h", working_time=True)
    hold = held()
    trip = agents.stop(scout, by=ada, reason="odd").hold
    Hold.objects.filter(pk=hold.pk).update(frozen_at=timezone.now() - 5 * HOUR)

    holds.resume(trip, by=ada)

    after = fresh(hold)
    assert after.action is not None
    assert (after.expires_at, after.remind_at) == (opens + 6 * HOUR, opens + 3 * HOUR)
    assert after.action.expires_at == after.expires_at


# -- standing still


def test_deadline_and_reminders_stand_still_while_the_agent_is_paused(
    rule: Rule, held: Held, scout: Agent, ada: Person
) -> None:
    rule(within="10h")
    hold = held()
    advance(4 * HOUR)
    trip = agents.stop(scout, by=ada, reason="odd").hold
    advance(100 * HOUR)

    sweep()
    assert (fresh(hold).state, told("reminded")) == ("open", 0)
    assert abs(left(hold) - 6 * HOUR) < CLOSE
    holds.resume(trip, by=ada)

    assert abs(left(hold) - 6 * HOUR) < CLOSE
    sweep()
    assert told("reminded") == 0
    advance(2 * HOUR)
    sweep()
    assert told("reminded") == 1
    advance(4 * HOUR)
    sweep()
    assert fresh(hold).state == "expired"


def test_a_pause_does_not_revive_what_ran_out_before_it(
    held: Held, scout: Agent, ada: Person
) -> None:
    hold = held(expires_in_s=600)
    advance(HOUR)
    agents.stop(scout, by=ada, reason="odd")

    with pytest.raises(Conflict, match="nobody answered"):
        holds.approve(hold, by=ada)
    sweep()

    assert fresh(hold).state == "expired"


def test_a_run_that_stays_paused_keeps_its_deadlines_when_the_agent_goes_on(
    held: Held, ask: Ask, scout: Agent, run: Run, ada: Person
) -> None:
    other = runs.start(scout, name="weekly")[0]
    of_run, of_other = held(), held(run=other)
    of_its_run = runs.stop(run, by=ada, reason="odd").hold
    of_agent = agents.stop(scout, by=ada, reason="odd").hold

    holds.resume(of_agent, by=ada)
    assert (fresh(of_run).is_frozen, fresh(of_other).is_frozen) == (True, False)
    holds.resume(of_its_run, by=ada)

    assert not fresh(of_run).is_frozen


def test_time_that_is_given_during_a_pause_counts_from_then(
    rule: Rule, held: Held, scout: Agent, ada: Person
) -> None:
    rule(within="10h")
    hold = held()
    trip = agents.stop(scout, by=ada, reason="odd").hold
    advance(5 * HOUR)

    with pytest.raises(Invalid, match="no later"):
        holds.extend(hold, by=ada, until=timezone.now() + 9 * HOUR)
    holds.extend(hold, by=ada, until=timezone.now() + 20 * HOUR)
    advance(7 * HOUR)
    holds.resume(trip, by=ada)

    assert abs(left(hold) - 20 * HOUR) < CLOSE


# -- all of it, in any order

WITHIN = 60.5
"""Hours; all moves are whole ones, so that nothing is ever due in the very moment it is looked at."""

type Move = tuple[Literal["pass", "extend", "agent", "run", "escalate", "sweep"], int]

MOVES: st.SearchStrategy[list[Move]] = st.lists(
    st.tuples(
        st.sampled_from(["pass", "pass", "extend", "agent", "run", "escalate", "sweep", "sweep"]),
        st.integers(1, 40),
    ),
    max_size=14,
)


class Model:
    """What should be true of one approval: hours left, when to remind, whether time stands still."""

    def __init__(self, otherwise: str) -> None:
        self.otherwise = otherwise
        self.over = self.escalated = False
        self.stopped: dict[str, Hold] = {}
        self.reminded = 0
        self.set(WITHIN)

    def set(self, hours: float) -> None:
        self.left = hours
        self.reminders = [hours * 0.5, hours * 0.1]

    def sweep(self) -> None:
        if self.over or self.stopped:
            return
        if self.left > 0:
            if self.reminders and self.left < self.reminders[0]:
                self.reminders.pop(0)
                self.reminded += 1
        elif self.otherwise == "escalate" and not self.escalated:
            self.escalated = True
            self.set(WITHIN)
        else:
            self.over = True


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(otherwise=st.sampled_from(["deny", "escalate"]), moves=MOVES)
def test_time_never_allows_and_is_neither_early_nor_late(
    rule: Rule, held: Held, scout: Agent, run: Run, ada: Person, otherwise: str, moves: list[Move]
) -> None:
    with transaction.atomic():
        where = {"escalate_to": "ops"} if otherwise == "escalate" else {}
        rule(within=f"{int(WITHIN * 3600)}s", otherwise=otherwise, **where)
        hold, model = held(), Model(otherwise)

        for move, hours in [*moves, ("sweep", 0)]:
            step(move, hours, hold, model, (scout, run, ada))
            now = fresh(hold)
            assert now.action is not None
            assert now.state == ("expired" if model.over else "open")
            assert now.action.state == ("expired" if model.over else "held")
            assert told("reminded") == model.reminded
            if not model.over:
                assert abs(left(hold) - timedelta(hours=model.left)) < CLOSE
                assert now.action.expires_at == now.expires_at or now.is_frozen
        connection.set_rollback(True)


def step(move: str, hours: int, hold: Hold, model: Model, cast: tuple[Agent, Run, Person]) -> None:
    scout, run, ada = cast
    answerable = not model.over and (model.left > 0)
    if move == "pass":
        advance(timedelta(hours=hours))
        model.left -= 0 if model.stopped else hours
    elif move == "sweep":
        sweep()
        model.sweep()
    elif move in ("agent", "run"):
        if move in model.stopped:
            holds.resume(model.stopped.pop(move), by=ada)
        elif model.left > 0:  # what is overdue is not frozen; another test says so
            stop = agents.stop(scout, by=ada, reason="odd") if move == "agent" else None
            model.stopped[move] = (stop or runs.stop(run, by=ada, reason="odd")).hold
    elif not answerable:
        with pytest.raises(Conflict):
            holds.extend(hold, by=ada, until=timezone.now() + 900 * HOUR)
    elif move == "extend":
        longer = model.left + hours
        holds.extend(hold, by=ada, until=timezone.now() + timedelta(hours=longer))
        model.set(longer)
    else:
        holds.escalate(hold, by=ada, queue="legal", note="Not mine.")
        model.escalated = True
        model.set(WITHIN)
