"""The agents' hot doors, over real HTTP against the real database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection

from agents.models import Action, Agent, Run, Trip
from agents.transitions import agent as agents
from agents.transitions import run as runs
from audit.models import Entry
from people.models import Person, Team
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import Door


def test_an_allowed_action_is_claimed_and_settled(door: Door) -> None:
    told = door.propose("1", arguments={"q": "card"}, subject="mail:1").json()
    assert told["admission"] == "allowed"
    action = told["action"]["id"]

    claimed = door.claim(action, claim_id="a").json()
    settled = door.settle(action, claim_id="a", input_tokens=10, cost_usd="0.5", result={"n": 1})

    assert claimed["state"] == "executing"
    assert settled.status_code == 200
    assert settled.json()["action"]["state"] == "succeeded"
    assert settled.json()["action"]["result"] == {"n": 1}
    assert door.run.agent.runs.get().input_tokens == 10
    kinds = list(Entry.objects.order_by("id").values_list("kind", flat=True))
    assert kinds[-3:] == ["action.allowed", "action.executing", "action.succeeded"]


def test_the_same_proposal_is_answered_once(door: Door) -> None:
    first = door.propose("1", arguments={"q": 1}, claim_id="mine").json()

    again = door.propose("1", arguments={"q": 1}, claim_id="mine").json()
    other = door.propose("1", arguments={"q": 2})

    assert first["action"]["state"] == "executing"
    assert again["admission"] == "replayed"
    assert again["action"]["id"] == first["action"]["id"]
    assert other.status_code == 409
    assert other.json()["code"] == "conflict"
    assert other.headers["content-type"] == "application/problem+json"


def test_an_idempotency_key_takes_effect_once_across_runs(
    door: Door,
    scout: Agent,
    knock: Callable[[str, Run], Door],
    scout_with_key: tuple[Agent, str],
) -> None:
    first = door.propose("1", idempotency_key="ticket-1", claim_id="a").json()
    door.settle(first["action"]["id"], claim_id="a", result="T-1")
    second_run = knock(scout_with_key[1], runs.start(scout, name="second")[0])

    again = second_run.propose("9", idempotency_key="ticket-1", claim_id="b").json()

    assert again["admission"] == "replayed"
    assert again["action"]["result"] == "T-1"


def test_a_failed_write_frees_its_key(door: Door) -> None:
    first = door.propose("1", idempotency_key="k", claim_id="a").json()
    door.settle(first["action"]["id"], "failed", claim_id="a")

    again = door.propose("2", idempotency_key="k", claim_id="b").json()

    assert again["admission"] == "allowed"


def test_an_unlisted_tool_is_denied_for_good(door: Door) -> None:
    told = door.propose("1", tool="rm").json()

    assert (told["admission"], told["code"]) == ("denied", "tool_not_listed")
    assert door.claim(told["action"]["id"]).json()["code"] == "not_claimable"


def test_a_gated_action_waits_for_a_person(door: Door, ada: Person) -> None:
    asked = door.propose(
        "1",
        tool="refund.issue",
        arguments={"amount": 80},
        amount="80",
        currency="USD",
        resume={"thread": "t"},
    )
    action = asked.json()["action"]["id"]
    assert asked.status_code == 202
    hold = Hold.objects.get(pk=action)
    assert hold.queue.name == "approvals"
    answer: dict[str, object] = {}
    waiter = threading.Thread(target=lambda: answer.update(door.read(action, wait=20)))
    waiter.start()

    holds.approve(hold, by=ada, note="fine")
    waiter.join(20)

    assert answer["state"] == "approved"
    assert answer["message"] == "fine"
    assert answer["resume"] == {"thread": "t"}
    assert door.claim(action, claim_id="x").json()["state"] == "executing"
    assert door.claim(action, claim_id="y").json()["code"] == "already_claimed"
    assert door.claim(action, claim_id="x").status_code == 200


def test_edited_arguments_are_the_effective_ones(door: Door, ada: Person) -> None:
    told = door.propose("1", tool="refund.issue", arguments={"amount": 80}).json()
    hold = Hold.objects.get(pk=told["action"]["id"])

    holds.edit(hold, by=ada, arguments={"amount": 60}, note="less")

    action = door.read(told["action"]["id"])
    assert action["decision"] == "edited"
    assert action["requested_arguments"] == {"amount": 80}
    assert action["arguments"] == {"amount": 60}
    assert door.claim(action["id"]).json()["arguments"] == {"amount": 60}


def test_the_sixth_try_of_one_item_trips(door: Door, ada: Person) -> None:
    for n in range(5):
        door.done(f"{n}", subject="mail:8841")

    told = door.propose("6", subject="mail:8841").json()
    after = door.propose("7", subject="mail:9").json()

    assert (told["admission"], told["code"]) == ("retry_later", "tripped")
    assert told["control"]["state"] == "paused"
    hold = Hold.objects.get(pk=told["control"]["hold_id"])
    assert hold.kind == "trip"
    assert len(hold.evidence["actions"]) == 5
    assert (after["admission"], after["code"]) == ("retry_later", "paused")
    holds.resume(hold, by=ada)
    assert door.propose("6", subject="mail:8841").json()["admission"] == "allowed"


def test_failures_trip_at_the_limit_and_probes_close_again(door: Door, ada: Person) -> None:
    for n in range(10):
        told = door.done(f"{n}", "failed", subject=f"{n}")
    assert told["control"]["state"] == "paused"
    trip = Trip.objects.get()
    assert trip.condition == "errors"

    holds.resume(Hold.objects.get(trip=trip), by=ada)
    for n in range(5):
        assert door.done(f"p{n}", subject=f"p{n}")["action"]["state"] == "succeeded"

    assert trip.breaker is not None
    trip.breaker.refresh_from_db()
    assert trip.breaker.state == "closed"
    assert trip.breaker.probes_succeeded == 5


def test_a_failing_probe_opens_again(door: Door, ada: Person) -> None:
    for n in range(10):
        door.done(f"{n}", "failed", subject=f"{n}")
    holds.resume(Hold.objects.get(), by=ada)

    told = door.done("probe", "failed", subject="probe")

    assert told["control"]["state"] == "paused"
    assert Trip.objects.filter(ended_at=None).get().breaker.reopenings == 1  # type: ignore[union-attr]


def test_probation_admits_only_its_probes(door: Door, ada: Person) -> None:
    for n in range(10):
        door.done(f"{n}", "failed", subject=f"{n}")
    holds.resume(Hold.objects.get(), by=ada)

    told = [door.propose(f"p{n}", subject=f"p{n}", claim_id="c").json() for n in range(6)]

    assert [t["admission"] for t in told] == ["allowed"] * 5 + ["retry_later"]
    assert told[-1]["code"] == "probation"


def test_spend_is_reserved_and_trips(door: Door) -> None:
    door.propose("1", subject="a", estimated_cost_usd="20")

    told = door.propose("2", subject="b", estimated_cost_usd="6").json()

    assert told["code"] == "tripped"
    assert Trip.objects.get().condition == "spend"


def test_a_stop_by_hand_and_modify_reach_the_agent(door: Door, scout: Agent, ada: Person) -> None:
    seen = door.control()["version"]
    heard: dict[str, object] = {}
    waiter = threading.Thread(target=lambda: heard.update(door.control(wait=20, seen=seen)))
    waiter.start()

    trip = agents.stop(scout, by=ada, reason="odd answers")
    waiter.join(20)

    assert heard["state"] == "paused"
    assert heard["reason"] == "odd answers"
    holds.modify(Hold.objects.get(trip=trip), by=ada, instruction="Be brief.", state={"a": 1})
    control = door.control()
    assert control["state"] == "running"
    assert [d["kind"] for d in control["directives"]] == ["instruction", "state"]
    ids = [d["id"] for d in control["directives"]]
    acked = door.http.post(f"/runs/{door.run.pk}/directives/ack", json={"ids": ids})
    assert acked.json() == {"acknowledged": 2}
    assert door.control()["directives"] == []


def test_terminate_ends_runs_and_cancels_what_waits(door: Door, scout: Agent, ada: Person) -> None:
    told = door.propose("1", tool="refund.issue", arguments={"amount": 80}).json()
    trip = agents.stop(scout, by=ada, reason="")

    holds.terminate(Hold.objects.get(trip=trip), by=ada, note="enough")

    assert door.read(told["action"]["id"])["state"] == "cancelled"
    assert Hold.objects.get(pk=told["action"]["id"]).state == "cancelled"
    assert door.control()["state"] == "terminated"
    refused = door.propose("2")
    assert (refused.status_code, refused.json()["code"]) == (409, "terminated")


def test_an_interrupt_is_no_error(door: Door) -> None:
    told = door.propose("1", claim_id="a").json()
    action = told["action"]["id"]

    given_back = door.settle(action, "interrupted", claim_id="a").json()

    assert given_back["action"]["state"] == "allowed"
    assert Run.objects.get().failures_count == 0
    assert door.claim(action, claim_id="b").json()["state"] == "executing"


def test_the_same_outcome_twice_is_harmless_and_another_is_refused(door: Door) -> None:
    action = door.propose("1", claim_id="a").json()["action"]["id"]
    door.settle(action, claim_id="a", input_tokens=5)

    again = door.settle(action, claim_id="a", input_tokens=5)
    other = door.settle(action, "failed", claim_id="a")

    assert again.status_code == 200
    assert other.json()["code"] == "already_settled"
    assert Run.objects.get().input_tokens == 5


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"[]", 422, "invalid"),
        (b'{"call_id":"1","tool":"search","arguments":{"x":NaN}}', 400, "malformed_json"),
        (b'{"call_id":"1","tool":"search","arguments":[]}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","arguments":{"x":1e999}}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","arguments":{"x":[1e300]}}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","queue":"a\\n"}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","currency":"USD\\n"}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","arguments":{"x":9007199254740993}}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","arguments":{"x":"\\u0000"}}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","arguments":{"x":"\\ud800"}}', 400, "malformed_json"),
        (b'{"call_id":1,"tool":"search"}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","surprise":1}', 422, "invalid"),
        (b'{"call_id":"","tool":"search"}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","estimated_cost_usd":"NaN"}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","estimated_cost_usd":-1}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","trace_url":"javascript:alert(1)"}', 422, "invalid"),
        (b'{"call_id":"1","tool":"search","arguments":' + b"[" * 5000, 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b'{"call_id":"1","tool":"search","reason":"' + b"x" * 1100000 + b'"}', 413, "too_large"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(
    door: Door, body: bytes, status: int, code: str
) -> None:
    before = Entry.objects.count()

    told = door.http.post(f"/runs/{door.run.pk}/actions", content=body)

    assert (told.status_code, told.json()["code"]) == (status, code), told.text
    assert Action.objects.count() == 0
    assert Entry.objects.count() == before


def test_strangers_find_nothing(door: Door, knock: Callable[[str, Run], Door], eve: Person) -> None:
    _, key = agents.create("intruder", team=Team.objects.get(name="elsewhere"), by="test")
    action = door.propose("1").json()["action"]["id"]
    intruder = knock(key, door.run)

    assert intruder.propose("2").status_code == 404
    assert intruder.claim(action).status_code == 404
    assert intruder.settle(action).status_code == 404
    assert intruder.http.get(f"/actions/{action}").status_code == 404
    assert intruder.http.get(f"/runs/{door.run.pk}/control").status_code == 404
    assert intruder.http.get(f"/runs/{door.run.pk}/stream").status_code == 404
    assert intruder.http.get(f"/runs/{door.run.pk}").status_code == 404
    assert door.claim(str(uuid4())).status_code == 404
    assert knock("wf_wrong", door.run).propose("3").status_code == 401


def test_a_wrong_method_is_told_the_right_one(door: Door) -> None:
    told = door.http.put(f"/runs/{door.run.pk}/actions", json={})

    assert (told.status_code, told.headers["allow"]) == (405, "POST")


def test_a_revoked_key_is_refused(door: Door, scout: Agent, ada: Person) -> None:
    agents.revoke_key(scout.keys.get(), by=ada)

    assert door.propose("1").status_code == 401


def test_the_stream_tells_of_decisions_and_control(door: Door, ada: Person) -> None:
    told = door.propose("1", tool="refund.issue", arguments={"amount": 80}).json()
    hold = Hold.objects.get(pk=told["action"]["id"])
    events: list[str] = []

    with door.http.stream("GET", f"/runs/{door.run.pk}/stream") as stream:
        for line in stream.iter_lines():
            if line.startswith("event:"):
                events.append(line)
            if len(events) == 1 and line == "":
                holds.reject(hold, by=ada, note="too much")
            if len(events) == 2:
                break

    assert events == ["event: control", "event: action"]


def test_fifty_claims_execute_once(door: Door, ada: Person) -> None:
    told = door.propose("1", tool="refund.issue", arguments={"amount": 80}).json()
    action = told["action"]["id"]
    holds.approve(Hold.objects.get(pk=action), by=ada)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: door.claim(action, claim_id=f"c{n}"), range(50)))

    assert sorted(a.status_code for a in answers) == [200] + [409] * 49
    assert Entry.objects.filter(kind="action.executing").count() == 1


def test_when_the_database_restarts_a_stream_ends_or_goes_on_and_every_call_is_answered(
    door: Door, scout: Agent, ada: Person
) -> None:
    """It ends where it was just asking the database; who streams comes again then."""
    others = """select pg_terminate_backend(pid, 5000) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()"""
    with door.http.stream("GET", f"/runs/{door.run.pk}/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: control"
        with connection.cursor() as cursor:
            cursor.execute(others)
        agents.stop(scout, by=ada, reason="look again")

        for line in lines:
            if line == "event: control":
                break

    answers = [door.http.get(f"/runs/{door.run.pk}/control") for _ in range(12)]
    assert {a.status_code for a in answers} == {200}
