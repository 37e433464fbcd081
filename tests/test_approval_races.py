"""Two hundred at twenty requests, and policies that change meanwhile: real commits, real threads."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from agents.models import Action, Agent, PolicyVersion
from agents.rules.digest import approval_digest
from agents.transitions import agent as agents
from agents.transitions import policy as policies
from agents.transitions import run as runs
from audit.errors import Conflict
from audit.models import Entry
from people.models import Person, Role, Team
from people.transitions import person as people
from reviews.models import Hold, QueueCount, Vote
from reviews.transitions import hold as holds
from tests.cast import Door
from tests.test_races import at_once

HOLDS = 20
CONNECTIONS = threading.Semaphore(30)
"""PostgreSQL has a hundred; the server under test needs some, too."""

RULES: list[dict[str, Any]] = [
    {"name": "two", "then": "approve", "tools": ["trade"], "approval": {"votes": 2}},
    {"name": "one", "then": "approve", "tools": ["refund"]},
]
ENDS = {"approved", "edited", "rejected", "answered", "asked", "expired", "cancelled"}


@dataclass
class Storm:
    """Ten at each request: people who decide, the clock or the agent who end it, processes that claim."""

    persons: list[Person]
    dice: random.Random = field(default_factory=lambda: random.Random(8785))
    still: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    done: Counter[UUID] = field(default_factory=Counter)

    def around(self, door: Door, pk: UUID, n: int) -> list[Callable[[], Any]]:
        ada, otto, lena = self.persons
        deciders: list[Callable[[], Any]] = [
            lambda: holds.approve(pk, by=ada),
            lambda: holds.approve(pk, by=otto, revision=1),
            lambda: holds.approve(pk, by=lena),
            lambda: holds.edit(pk, by=self.dice.choice(self.persons), arguments={"amount": 60}),
            lambda: holds.edit(pk, by=otto, arguments={"amount": 70.5}, revision=1),
            lambda: holds.release(holds.claim(pk, by=lena), by=lena),
            [self.reject, self.withdraw, self.time_out, self.reject_late][n % 4](door, pk),
        ]
        return [*map(self.decides, deciders), *[self.claims(door, pk, c) for c in "abc"]]

    def reject(self, door: Door, pk: UUID) -> Callable[[], Any]:
        return lambda: holds.reject(pk, by=self.persons[1], note="No.")

    def reject_late(self, door: Door, pk: UUID) -> Callable[[], Any]:
        def work() -> Any:
            door.read(str(pk), wait=1)
            return holds.reject(pk, by=self.persons[2], note="No.")

        return work

    def withdraw(self, door: Door, pk: UUID) -> Callable[[], Any]:
        return lambda: door.http.post(f"/actions/{pk}/cancel", json={})

    def time_out(self, door: Door, pk: UUID) -> Callable[[], Any]:
        def work() -> Any:
            Hold.objects.filter(pk=pk, state="open").update(expires_at=timezone.now())
            return holds.expire(Hold.objects.get(pk=pk))

        return work

    def decides(self, work: Callable[[], Any]) -> Callable[[], Any]:
        self.still += 1

        def deciding() -> Any:
            try:
                with CONNECTIONS:
                    return work()
            except PermissionDenied as refusal:
                return refusal
            finally:
                with self.lock:
                    self.still -= 1
                    if not self.still:
                        self.over.set()

        return deciding

    def claims(self, door: Door, pk: UUID, name: str) -> Callable[[], Any]:
        """A process of the agent: waits for the answer, claims, does it, says so."""

        def working() -> Any:
            while door.read(str(pk), wait=1)["state"] == "held" and not self.over.is_set():
                pass
            claimed = door.claim(str(pk), claim_id=name)
            if claimed.status_code == 200:
                with self.lock:
                    self.done[pk] += 1
                door.settle(str(pk), claim_id=name, result=claimed.json()["arguments"])
            return claimed

        return working


def test_two_hundred_at_twenty_requests_leave_one_story_of_each(
    knock: Callable[..., Door], support: Team, ada: Person, otto: Person
) -> None:
    lena = people.create("lena", role=Role.LEAD, team=support, by="test")
    storm = Storm([ada, otto, lena])
    works: list[Callable[[], Any]] = []
    for n in range(HOLDS):
        if n % 5 == 0:
            agent, key = agents.create(f"a{n}", team=support, by="test", rules=RULES)
            door = knock(key, runs.start(agent, name="nightly")[0])
        tool = "trade" if n % 2 else "refund"
        told = door.propose(f"{n}", tool, arguments={"amount": 80, "n": n}, subject=f"{n}")
        works += storm.around(door, UUID(told.json()["action"]["id"]), n)
    storm.dice.shuffle(works)
    assert len(works) == 200

    answers = at_once(*works)

    assert all(not hasattr(a, "status_code") or a.status_code in (200, 409) for a in answers)
    stories = [story_of(hold, storm) for hold in Hold.objects.select_related("action")]
    assert len(stories) == HOLDS
    assert "succeeded" in stories
    waiting = Hold.objects.waiting().count()
    assert sum(QueueCount.objects.values_list("waiting", flat=True)) == waiting


def story_of(hold: Hold, storm: Storm) -> str:
    """What became of one request; everything that is known about it must say the same."""
    action = hold.action
    assert action is not None
    said = [
        entry.kind.removeprefix("hold.")
        for entry in Entry.objects.filter(about=hold.record_name).order_by("id")
    ]
    done = list(Entry.objects.filter(about=action.record_name).order_by("id"))
    ends = [kind for kind in said if kind in ENDS]
    ran = [entry for entry in done if entry.kind == "action.executing"]

    assert said[0] == "opened"
    assert ends == ([] if hold.state == "open" else [hold.decision or hold.state])
    assert not ends or said[-1] == ends[0]
    assert len(ran) == storm.done[hold.pk] == (action.state == "succeeded")
    assert fits(hold, action)
    votes = list(Vote.objects.filter(hold=hold))
    assert len(votes) == sum(said.count(kind) for kind in ("voted", "approved", "edited"))
    standing = [vote for vote in votes if vote.dismissed_at is None]
    assert len({v.person_id for v in standing}) == len({v.seat_id for v in standing})
    assert len({v.person_id for v in standing}) == len(standing)
    assert {v.revision for v in standing} <= {hold.revision}
    if hold.decision in ("approved", "edited"):
        assert len(standing) == hold.votes_needed
        assert {bytes(v.digest) for v in standing} == {bytes(action.approval_digest or b"")}
        assert bound(action) == action.approval_digest
        assert action.result in (None, action.effective_arguments)
    else:
        assert not ran
        assert len(standing) < hold.votes_needed
    return action.state


def fits(hold: Hold, action: Action) -> bool:
    """Whether the request and what waits for it say the same."""
    if hold.decision in ("approved", "edited"):
        edited = action.approved_arguments != action.arguments
        return edited == (hold.decision == "edited") and action.state in (
            "approved",
            "succeeded",
            "cancelled",
        )
    return action.state == {"open": "held", "decided": hold.decision}.get(hold.state, hold.state)


def bound(action: Action) -> bytes:
    return approval_digest(
        agent=str(action.agent_id),
        run=str(action.run_id),
        tool=action.tool,
        arguments=action.effective_arguments,
        policy_version=action.policy_version,
    )


def test_thirty_identical_requests_under_thirty_names_are_one(door: Door) -> None:
    answers = at_once(
        *[
            lambda n=n: door.propose(f"{n}", "refund.issue", arguments={"amount": 80})
            for n in range(30)
        ]
    )

    told = [a.json() for a in answers]
    assert Counter(t["admission"] for t in told) == {"held": 1, "replayed": 29}
    assert Hold.objects.count() == Action.objects.count() == 1


def test_a_rejection_and_a_stampede_of_the_same_leave_nothing_waiting(
    door: Door, ada: Person
) -> None:
    """Whoever came too early shares the answer, whoever came too late gets it from memory."""
    first = door.propose("first", "refund.issue", arguments={"amount": 80}).json()["action"]["id"]

    answers = at_once(
        lambda: holds.reject(UUID(first), by=ada, note="No."),
        *[
            lambda n=n: door.propose(f"{n}", "refund.issue", arguments={"amount": 80})
            for n in range(4)
        ],
    )

    assert {a.json()["admission"] for a in answers[1:]} <= {"replayed", "denied"}
    assert {door.read(a.json()["action"]["id"])["message"] for a in answers[1:]} == {"No."}
    assert not Hold.objects.waiting().exists()


def test_one_person_at_ten_windows_has_one_vote(
    knock: Callable[..., Door], support: Team, ada: Person
) -> None:
    agent, key = agents.create("desk", team=support, by="test", rules=RULES)
    door = knock(key, runs.start(agent, name="nightly")[0])
    hold = UUID(door.propose("1", "trade", arguments={}).json()["action"]["id"])

    answers = at_once(*[lambda: holds.approve(hold, by=ada) for _ in range(10)])

    assert sum(isinstance(a, Conflict) for a in answers) == 9
    assert Vote.objects.count() == 1
    assert Hold.objects.get().is_open


# -- policies that change meanwhile


def document(n: int) -> dict[str, Any]:
    """Which rule answers, and how, tells which version it was."""
    then = ("allow", "deny", "approve")[n % 3]
    return {"tools": ["*"], "rules": [{"name": f"rule {n}", "then": then}]}


@pytest.mark.parametrize("of_whom", ["agent", "team"])
def test_two_policies_saved_at_once_are_two_versions(
    live: str, scout: Agent, support: Team, ada: Person, otto: Person, of_whom: str
) -> None:
    """Also the very first ones of a team, which has no policy yet."""

    def policy() -> Any:
        return policies.of_agent(scout) if of_whom == "agent" else policies.of_team(support)

    def saving(n: int, by: Person) -> Callable[[], Any]:
        shown = document(n) if of_whom == "agent" else {"rules": document(n)["rules"]}
        return lambda: policies.save(policy(), shown, by=by, why=f"{n}")

    answers = at_once(*[saving(n, (ada, otto)[n % 2]) for n in range(8)])

    made = {a.number: a for a in answers}
    first = 2 if of_whom == "agent" else 1
    assert sorted(made) == list(range(first, first + 8))
    current = policy().current
    assert current == made[max(made)]
    assert Entry.objects.filter(kind="policy.saved").count() >= 8


def test_of_two_who_changed_the_same_version_one_is_told(
    live: str, scout: Agent, ada: Person, otto: Person
) -> None:
    own = policies.of_agent(scout)

    answers = at_once(
        *[
            lambda n=n, by=by: policies.save(own, document(n), by=by, why=f"by {by}", expected=1)
            for n, by in enumerate((ada, otto))
        ]
    )

    (loser,) = [a for a in answers if isinstance(a, Conflict)]
    (winner,) = [a for a in answers if isinstance(a, PolicyVersion)]
    assert winner.why in loser.detail
    assert winner.number == 2


def test_every_proposal_is_judged_by_one_version_that_was_in_force(
    door: Door, scout: Agent, ada: Person
) -> None:
    own = policies.of_agent(scout)
    policies.save(own, document(2), by=ada, why="2")

    def saving() -> None:
        for n in range(3, 12):
            policies.save(own, document(n), by=ada, why=f"{n}", expected=n - 1)

    at_once(saving, *[lambda n=n: door.propose(f"{n}", subject=f"{n}") for n in range(50)])

    versions = {f"0.{v.number}": v.document["rules"][0] for v in own.versions.all()}
    states = {"allow": "allowed", "deny": "denied", "approve": "held"}
    judged = list(Action.objects.all())
    assert len(judged) == 50
    for action in judged:
        rule = versions[action.policy_version]
        assert (action.rule, action.state) == (rule["name"], states[rule["then"]])
    assert Hold.objects.count() == sum(action.state == "held" for action in judged)


def test_what_is_approved_under_a_changing_policy_was_judged_by_the_last_one(
    door: Door, scout: Agent, ada: Person, otto: Person
) -> None:
    """Votes are needed as the policy in force at the last of them says, or more."""
    own = policies.of_agent(scout)

    def rules(votes: int) -> dict[str, Any]:
        approval = {"votes": votes}
        return {"tools": ["*"], "rules": [{"name": "r", "then": "approve", "approval": approval}]}

    policies.write(own, rules(1), by="test", why="")
    told = [door.propose(f"{n}", "trade", arguments={"n": n}, subject=f"{n}") for n in range(10)]
    pks = [UUID(t.json()["action"]["id"]) for t in told]

    at_once(
        lambda: policies.save(own, rules(2), by=ada, why="two"),
        *[lambda pk=pk: holds.approve(pk, by=otto) for pk in pks],
    )

    for pk in pks:
        hold = Hold.objects.select_related("action").get(pk=pk)
        assert hold.action is not None
        needed = {"0.2": 1, "0.3": 2}[hold.action.policy_version]
        assert hold.votes_needed == needed
        assert (hold.state == "decided") is (needed == 1)
        claimed = door.claim(str(pk))
        assert claimed.json()["code"] in ("policy_changed", "not_claimable")
