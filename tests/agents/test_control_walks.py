"""Random walks through everything that people, agents and the clock can do to breakers, judged by what must always hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import policies
from agents.models import Action, Agent, Breaker, Trip
from agents.rules.breakers.states import ARROWS
from agents.shapes import Propose, Proposed, Settle
from agents.tasks import sweep
from agents.transitions import action as actions
from agents.transitions import agent as agents
from agents.transitions import breaker as breakers
from agents.transitions import forcing
from agents.transitions import run as runs
from audit.errors import Refused
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds

MOVES = (
    *("propose",) * 6,
    *("fail", "succeed") * 3,
    *("resume", "resume one", "force", "release", "disable", "enable", "shadow", "grant"),
    *("stop", "hour passes", "deadline", "restart", "late"),
)
WALKS = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 2)), min_size=6, max_size=25)


class Floor:
    """Three agents of one team, each watched by a breaker of its own, all of them by one of the team."""

    def __init__(self, team: Team, ada: Person) -> None:
        self.team, self.ada = team, ada
        self.keys, self.runs = [], []
        Breaker.objects.create(
            team=team, condition="errors", scope="team", limit=Decimal(4), window="00:10:00"
        )
        for n in range(3):
            agent, key = agents.create(f"agent-{n}", team=team, by="test")
            agent.breakers.exclude(condition="errors").delete()
            agent.breakers.update(limit=Decimal(3), probes_allowed=2)
            self.keys.append(sha256(key.encode()).digest())
            self.runs.append(runs.start(agent, name="work")[0])
        Breaker.objects.filter(team=team).update(probes_allowed=2)
        self.proposed = 0
        self.under_way: list[tuple[int, UUID]] = []
        self.seen: dict[UUID, tuple[str, int]] = {}

    def move(self, name: str, n: int) -> None:
        try:
            with transaction.atomic():
                getattr(self, name.replace(" ", "_"))(n)
        except Refused:
            pass
        self.check()

    # -- agents ------------------------------------------------------------------------------------

    def propose(self, n: int) -> None:
        before = self.blocked(n)
        self.proposed += 1
        body = msgspec.json.encode(
            {
                "call_id": f"{self.proposed}",
                "tool": "search",
                "subject": f"s{self.proposed}",
                "claim_id": "c",
            }
        )
        request = Proposed.of(msgspec.json.decode(body, type=Propose))
        judgement, told = actions.propose(self.keys[n], self.runs[n].pk, request)
        if judgement.admission == "allowed":
            assert not before, f"admitted while {before}"
            self.under_way.append((n, UUID(msgspec.json.decode(told)["action"]["id"])))

    def fail(self, n: int) -> None:
        self.settle("failed")

    def succeed(self, n: int) -> None:
        self.settle("succeeded")

    def settle(self, outcome: Literal["succeeded", "failed"]) -> None:
        if self.under_way:
            n, action = self.under_way.pop(0)
            actions.settle(self.keys[n], action, Settle(outcome=outcome, claim_id="c"))

    def late(self, n: int) -> None:
        """A probe's outcome comes when its generation is long over: nothing may follow from it."""
        out = Action.objects.filter(state="executing", probe_of__isnull=False)
        for action in out.select_related("probe_of"):
            assert action.probe_of is not None
            if action.probe_generation == action.probe_of.generation:
                continue
            before = (
                Breaker.objects.filter(pk=action.probe_of.pk)
                .values("state", "probes_succeeded")
                .get()
            )
            at = [i for i, (_, pk) in enumerate(self.under_way) if pk == action.pk]
            who, pk = self.under_way.pop(at[0])
            actions.settle(self.keys[who], pk, Settle(outcome="succeeded", claim_id="c"))
            after = (
                Breaker.objects.filter(pk=action.probe_of.pk)
                .values("state", "probes_succeeded")
                .get()
            )
            assert before == after
            return

    # -- people ------------------------------------------------------------------------------------

    def resume(self, n: int, for_all: bool = True) -> None:
        waiting = list(Hold.objects.waiting().order_by("id"))
        if waiting:
            forced = Breaker.objects.filter(team=self.team, state="forced_open").exists()
            holds.resume(waiting[n % len(waiting)], by=self.ada, for_all=for_all)
            assert not forced, "resumed past a forced breaker"

    def resume_one(self, n: int) -> None:
        self.resume(n, for_all=False)

    def stop(self, n: int) -> None:
        agents.stop(Agent.objects.get(pk=self.runs[n].agent_id), by=self.ada, reason="look")

    def breaker(self, n: int) -> Breaker:
        return list(Breaker.objects.order_by("id"))[n]

    def force(self, n: int) -> None:
        forcing.force(self.breaker(n), by=self.ada, reason="hold")

    def release(self, n: int) -> None:
        forced = Breaker.objects.filter(state="forced_open").first()
        if forced is not None:
            forcing.release(forced, by=self.ada)

    def disable(self, n: int) -> None:
        until = timezone.now() + timedelta(hours=1)
        breakers.disable(self.breaker(n), by=self.ada, reason="noise", until=until)

    def enable(self, n: int) -> None:
        breakers.enable(self.breaker(n), by=self.ada)

    def shadow(self, n: int) -> None:
        breakers.shadow(self.breaker(n), by=self.ada, reason="try")

    def grant(self, n: int) -> None:
        breakers.grant(self.breaker(n), by=self.ada, extra=Decimal(1))

    # -- the clock, and the machine ----------------------------------------------------------------

    def hour_passes(self, n: int) -> None:
        Breaker.objects.filter(disabled_until__isnull=False).update(disabled_until=timezone.now())
        sweep()

    def deadline(self, n: int) -> None:
        Breaker.objects.filter(state="half_open").update(probation_until=timezone.now())
        sweep()

    def restart(self, n: int) -> None:
        """Nothing that is kept in memory counts."""
        before = list(Breaker.objects.order_by("id").values())
        policies._compiled.clear()
        connection.ensure_connection()
        assert list(Breaker.objects.order_by("id").values()) == before

    # -- what must always hold ---------------------------------------------------------------------

    def blocked(self, n: int) -> str:
        agent = Agent.objects.get(pk=self.runs[n].agent_id)
        if agent.state != "active":
            return f"agent {agent.state}"
        over_it = Breaker.objects.filter(agent=agent) | Breaker.objects.filter(team=self.team)
        kept = over_it.filter(state__in=["open", "forced_open"]).first()
        return f"{kept} {kept.state}" if kept else ""

    def check(self) -> None:
        for row in Breaker.objects.all():
            assert row.probes_leased <= row.probes_allowed or row.state != "half_open"
            assert (row.probation_until is not None) == (row.state == "half_open")
            state, generation = self.seen.get(row.pk, ("closed", 1))
            if row.state != state:
                arrows = {to for (start, _), to in ARROWS.items() if start == state}
                assert row.generation > generation, f"{state} → {row.state} in one generation"
                # A verb can follow two arrows: a group is resumed and trips, what is released closes.
                two = {to for (start, _), to in ARROWS.items() if start in arrows}
                assert row.state in arrows | two | {"closed"}, f"{state} → {row.state}"
            self.seen[row.pk] = (row.state, row.generation)
        paused = set(Agent.objects.filter(state="paused").values_list("pk", flat=True))
        stopped = Trip.objects.filter(ended_at=None, run=None, is_shadow=False)
        assert paused == set(stopped.values_list("agent_id", flat=True))
        assert set(stopped.values_list("pk", flat=True)) == set(
            Hold.objects.filter(kind="trip", state="open").values_list("trip_id", flat=True)
        )


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(walk=WALKS)
def test_whatever_happens_nothing_runs_past_an_open_breaker(
    support: Team, ada: Person, walk: list[tuple[str, int]]
) -> None:
    with transaction.atomic():
        floor = Floor(support, ada)
        for name, n in walk:
            floor.move(name, n)
        tripped = Entry.objects.filter(kind="breaker.opened").count()
        assert tripped <= Trip.objects.count()
        connection.set_rollback(True)


def test_a_walk_that_meets_everything(support: Team, ada: Person, db: Any) -> None:
    floor = Floor(support, ada)
    steps: Callable[..., None] = floor.move

    for _ in range(5):
        steps("propose", 0)
    for _ in range(5):
        steps("fail", 0)
    assert set(Breaker.objects.values_list("state", flat=True)) >= {"open"}
    steps("resume", 0)
    for n in range(3):
        steps("propose", n)
    steps("force", 0)
    steps("late", 0)
    steps("resume", 0)
    steps("release", 0)
    steps("resume", 0)
    steps("deadline", 0)
    for name in ("disable", "hour passes", "shadow", "enable", "grant", "restart"):
        steps(name, 1)

    assert not Breaker.objects.filter(state="forced_open").exists()
