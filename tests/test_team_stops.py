"""Many agents at once: a team's breaker, the fleet guard, the big red switch, and answering for all of them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.core.management.base import CommandError

from agents.models import Agent, Breaker, Run, Trip
from agents.transitions import agent as agents
from agents.transitions import forcing, switch
from agents.transitions import run as runs
from audit.errors import Conflict, Invalid
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds
from reviews.transitions import stops
from tests.cast import Door
from tests.test_races import at_once

type Fleet = list[Door]


@pytest.fixture
def fleet(support: Team, knock: Callable[[str, Run], Door]) -> Callable[[int], Fleet]:
    """So many agents of team support, each with a run and at the door."""

    def making(count: int) -> Fleet:
        made = []
        for n in range(count):
            agent, key = agents.create(f"agent-{n}", team=support, by="test")
            made.append(knock(key, runs.start(agent, name="work")[0]))
        return made

    return making


@pytest.fixture
def team_breaker(support: Team) -> Breaker:
    """Six tries of one item by the whole team are too many."""
    return Breaker.objects.create(
        team=support, condition="repeats", scope="team", limit=Decimal(5), window="00:01:00"
    )


def tried(doors: Fleet, times: int, subject: str = "mail:1") -> list[Any]:
    return [
        doors[n % len(doors)].propose(f"{subject}-{n}", subject=subject).json()
        for n in range(times)
    ]


def test_a_teams_breaker_pauses_every_agent_of_it(
    fleet: Callable[[int], Fleet], team_breaker: Breaker, ada: Person
) -> None:
    doors = fleet(4)

    told = tried(doors, 6)

    assert [t["admission"] for t in told] == ["allowed"] * 5 + ["retry_later"]
    assert told[-1]["code"] == "tripped"
    trips = list(Trip.objects.all())
    assert len(trips) == 4
    assert len({trip.group for trip in trips}) == 1
    assert {trip.evidence["offender"]["name"] for trip in trips} == {"agent-1"}
    assert {door.propose("after").json()["code"] for door in doors} == {"paused"}
    assert Hold.objects.filter(kind="trip", state="open").count() == 4
    assert Entry.objects.filter(kind="agent.paused").count() == 4
    assert Entry.objects.filter(kind="breaker.opened").count() == 1


def test_an_answer_is_for_all_of_them_unless_it_is_not_meant_so(
    fleet: Callable[[int], Fleet], team_breaker: Breaker, ada: Person
) -> None:
    doors = fleet(3)
    tried(doors, 6)
    one, *_ = Hold.objects.order_by("id")

    holds.resume(one, by=ada, for_all=False)
    assert Hold.objects.waiting().count() == 2
    team_breaker.refresh_from_db()
    assert team_breaker.state == "half_open"
    generation = team_breaker.generation

    holds.modify(Hold.objects.waiting().order_by("id")[0], by=ada, instruction="Slowly.")

    assert not Hold.objects.waiting().exists()
    assert set(Agent.objects.values_list("state", flat=True)) == {"active"}
    team_breaker.refresh_from_db()
    assert team_breaker.generation == generation
    told = [d["body"]["text"] for door in doors for d in door.control()["directives"]]
    assert told == ["Slowly."] * 2


def test_two_agents_tripping_their_team_at_once_trip_it_once(
    fleet: Callable[[int], Fleet], team_breaker: Breaker
) -> None:
    doors = fleet(5)
    assert {t["admission"] for t in tried(doors, 5)} == {"allowed"}

    told = at_once(
        lambda: doors[0].propose("x", subject="mail:1").json(),
        lambda: doors[4].propose("y", subject="mail:1").json(),
        *[
            lambda n=n: doors[n % 5].propose(f"race-{n}", subject=f"other:{n}", claim_id="c").json()
            for n in range(50)
        ],
    )

    assert Trip.objects.count() == 5
    assert Entry.objects.filter(kind="breaker.opened").count() == 1
    assert sorted(t["code"] for t in told[:2]) == ["paused", "tripped"]
    paused = Entry.objects.filter(kind="agent.paused").order_by("id").first()
    assert paused is not None
    late = Entry.objects.filter(kind__in=["action.allowed", "action.executing"], id__gt=paused.id)
    assert not late.exists()
    assert {door.propose("after").json()["code"] for door in doors} == {"paused"}


def test_no_more_probes_than_allowed_by_all_agents_of_a_team(
    fleet: Callable[[int], Fleet], team_breaker: Breaker, ada: Person
) -> None:
    doors = fleet(4)
    tried(doors, 6)
    holds.resume(Hold.objects.waiting().order_by("id")[0], by=ada)

    told = at_once(
        *[lambda n=n: doors[n % 4].propose(f"p{n}", subject=f"p{n}").json() for n in range(24)]
    )

    assert sum(t["admission"] == "allowed" for t in told) == 5
    assert {t["code"] for t in told if t["admission"] != "allowed"} == {"probation"}
    team_breaker.refresh_from_db()
    assert team_breaker.probes_leased == 5


def test_a_team_is_not_stopped_by_all_its_breakers_at_once(fleet: Callable[[int], Fleet]) -> None:
    doors = fleet(5)

    codes = [
        [door.propose(f"{n}", subject="mail:1").json()["code"] for n in range(7)][5:]
        for door in doors
    ]

    assert codes[:2] == [["tripped", "paused"]] * 2
    assert codes[2:] == [["guarded", ""]] * 3
    assert Agent.objects.filter(state="paused").count() == 2
    entry = Entry.objects.filter(kind="breaker.guarded").order_by("id").first()
    assert entry is not None
    assert entry.summary.startswith(
        "3 of 5 agents of support tripped within 5 minutes, more than 50%"
    )


def test_agents_that_trip_at_once_are_counted_one_after_the_other(
    fleet: Callable[[int], Fleet],
) -> None:
    doors = fleet(6)
    for n in range(5):
        assert {d.propose(f"{n}", subject="m").json()["admission"] for d in doors} == {"allowed"}

    told = at_once(*[lambda d=d: d.propose("over", subject="m").json() for d in doors])

    assert sorted(t["code"] for t in told) == ["guarded"] * 3 + ["tripped"] * 3


def test_two_agents_are_too_few_to_be_guarded_and_stops_by_hand_do_not_count(
    fleet: Callable[[int], Fleet], ada: Person
) -> None:
    doors = fleet(4)
    for agent in Agent.objects.filter(name__in=["agent-0", "agent-1"]):
        agents.stop(agent, by=ada, reason="by hand")

    for door in doors[2:]:
        assert [door.propose(f"{n}", subject="m").json()["code"] for n in range(6)][-1] == "tripped"
    assert not Entry.objects.filter(kind="breaker.guarded").exists()


def test_the_switch_stops_a_team_and_one_answer_lets_it_run(
    fleet: Callable[[int], Fleet], support: Team, ada: Person, eve: Person
) -> None:
    doors = fleet(3)
    other, _ = agents.create("bystander", team=Team.objects.get(name="elsewhere"), by="test")

    with pytest.raises(PermissionDenied, match="takes a lead, ops or admin of its team"):
        switch.stop_team(support, by=eve, reason="x")
    with pytest.raises(Invalid, match="Say why"):
        switch.stop_team(support, by=ada, reason="")
    made = switch.stop_team(support, by=ada, reason="A key leaked.")

    assert len(made) == 3
    assert {door.propose("1").json()["code"] for door in doors} == {"paused"}
    assert Agent.objects.get(pk=other.pk).state == "active"
    with pytest.raises(Conflict, match="nothing to stop"):
        switch.stop_team(support, by=ada, reason="again")

    assert made[0].group is not None
    resumed = stops.resume_group(made[0].group, by=ada, note="Changed it.")

    assert len(resumed) == 3
    assert {door.propose("2").json()["admission"] for door in doors} == {"allowed"}
    kinds = list(Entry.objects.filter(about=support.record_name).values_list("kind", flat=True))
    assert kinds == ["team.stopped"]


def test_what_stopped_everything_is_resumed_by_who_may_stop_everything(
    fleet: Callable[[int], Fleet], ada: Person, otto: Person
) -> None:
    fleet(2)

    with pytest.raises(PermissionDenied, match="takes ops or admin of every team"):
        switch.stop_everything(by=ada, reason="all")
    made = switch.stop_everything(by=otto, reason="all")
    with pytest.raises(PermissionDenied, match="Everything was stopped"):
        holds.resume(made[0].hold, by=ada)
    holds.resume(made[0].hold, by=otto)

    assert not Agent.objects.filter(state="paused").exists()


def test_two_switches_and_fifty_proposals_have_one_order(
    fleet: Callable[[int], Fleet], support: Team, ada: Person, otto: Person
) -> None:
    doors = fleet(4)

    at_once(
        lambda: switch.stop_team(support, by=ada, reason="team"),
        lambda: switch.stop_everything(by=otto, reason="all"),
        *[
            lambda n=n: doors[n % 4].propose(f"{n}", subject=f"{n}", claim_id="c")
            for n in range(50)
        ],
    )

    assert Trip.objects.filter(ended_at=None).count() == 4
    first = Entry.objects.filter(kind="agent.paused").order_by("id")[0]
    assert not Entry.objects.filter(kind__startswith="action.", id__gt=first.id).exists()


def test_a_forced_breaker_of_a_team_pauses_all_and_keeps_out_who_comes_later(
    fleet: Callable[[int], Fleet],
    team_breaker: Breaker,
    support: Team,
    ada: Person,
    knock: Callable[[str, Run], Door],
) -> None:
    fleet(2)
    forcing.force(team_breaker, by=ada, reason="Wait for the vendor.")

    newcomer, key = agents.create("newcomer", team=support, by="test")
    late = knock(key, runs.start(newcomer, name="work")[0])

    assert Trip.objects.count() == 2
    assert late.propose("1").json()["code"] == "paused"
    with pytest.raises(Conflict, match="forced open"):
        holds.resume(Hold.objects.waiting().order_by("id")[0], by=ada)
    forcing.release(team_breaker, by=ada)
    holds.resume(Hold.objects.waiting().order_by("id")[0], by=ada)
    assert late.propose("2").json()["admission"] == "allowed"


def test_the_switch_works_from_the_command_line(
    fleet: Callable[[int], Fleet], support: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet(2)

    call_command("floor", "stop", "--team", "support", "--reason", "A key leaked.", "--yes")
    group = capsys.readouterr().out.split()[-1]
    call_command("floor", "stops")
    assert f"{group}  2 agents  A key leaked." in capsys.readouterr().out
    call_command("floor", "resume", group, "--yes")

    assert "2 agents run again." in capsys.readouterr().out
    actors = Entry.objects.filter(kind__in=["team.stopped", "hold.resumed"])
    assert set(actors.values_list("actor", flat=True)) == {"command"}
    with pytest.raises(CommandError, match="is paused any more"):
        call_command("floor", "resume", group, "--yes")
    with pytest.raises(CommandError, match="There is no team x"):
        call_command("floor", "stop", "--team", "x", "--reason", "y", "--yes")


def test_agents_are_locked_in_the_order_of_their_ids(fleet: Callable[[int], Fleet]) -> None:
    from django.db import transaction

    from agents.transitions.together import lock_agents

    fleet(6)
    with transaction.atomic():
        ids = [agent.pk for agent in lock_agents()]

    assert all(a < b for a, b in pairwise(ids))
