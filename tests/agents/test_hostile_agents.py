"""What a careless or hostile agent sends: a clear 4xx, nothing changed, and every page still opens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from agents.hot import wait
from agents.models import Action, AgentKey, Run
from agents.transitions import action as actions
from agents.transitions import agent as agents
from audit.bell import hub
from people.models import Person
from reviews.models import Hold, Queue
from reviews.transitions import hold as holds
from reviews.transitions import opening
from tests.agents.conftest import until
from tests.cast import Door

DEEP = 900
TINY = ",".join(["1e-16000"] * 100)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def raw_proposal(field: str) -> bytes:
    return b'{"call_id":"1","tool":"search",%s}' % field.encode("latin-1")


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ('"resume":"\xff"', 400),
        ('"amount":"1e1000000"', 422),
        ('"amount":-1e1000000', 422),
        (f'"arguments":{{"a":{nested(DEEP)}}}', 422),
        (f'"resume":{nested(DEEP)}', 422),
        (f'"arguments":{{"a":[{TINY}]}}', 422),
        (f'"resume":[{TINY}]', 422),
        ('"queue":"\\u202eslavorppa"', 422),
        ('"queue":" "', 422),
    ],
)
def test_a_bad_proposal_changes_nothing(door: Door, field: str, status: int) -> None:
    told = door.http.post(f"/runs/{door.run.pk}/actions", content=raw_proposal(field))

    assert told.status_code == status, told.text
    assert not Action.objects.exists()


def test_what_only_looks_like_a_number_is_text(door: Door) -> None:
    told = door.propose("1", arguments={"etag": "4e99999", "quoted": '"1e99999', "small": 1e-3})

    assert told.status_code == 200


@pytest.mark.parametrize("result", [2**60, 2**64, {"id": 10**30}])
def test_a_result_with_a_large_number_settles_and_replays(door: Door, result: object) -> None:
    action = door.propose("1", claim_id="a").json()["action"]["id"]

    first = door.settle(action, claim_id="a", result=result)
    again = door.settle(action, claim_id="a", result=result)
    other = door.settle(action, claim_id="a", result=7)

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)


def test_a_result_that_is_not_utf8_is_refused(door: Door) -> None:
    action = door.propose("1", claim_id="a").json()["action"]["id"]

    told = door.http.post(
        f"/actions/{action}/settle", content=b'{"outcome":"succeeded","result":"\xff"}'
    )

    assert told.status_code == 400


@pytest.mark.parametrize("name", ["%00", "x" * 81])
def test_a_checkpoint_name_that_cannot_be_kept_is_refused(door: Door, name: str) -> None:
    url = f"/runs/{door.run.pk}/checkpoints/{name}"

    told = door.http.put(url, json={"state": 1})

    assert (told.status_code, told.json()["code"]) == (422, "invalid")
    assert door.http.get(url).status_code == 422


def test_what_the_database_refuses_is_told_as_invalid(door: Door) -> None:
    told = door.http.post(
        f"/runs/{door.run.pk}/observations",
        json={
            "observations": [
                {"id": "1", "tool": "t", "outcome": "failed", "cost_usd": "1e-1000000"}
            ]
        },
    )

    assert (told.status_code, told.json()["code"]) == (422, "invalid")


def test_an_unknown_address_is_told_as_a_problem(door: Door) -> None:
    told = door.http.get("/nowhere")

    assert told.status_code == 404
    assert told.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["runs", "versions"])
def test_deep_metadata_is_refused(door: Door, path: str) -> None:
    body = f'{{"name":"x","metadata":{{"a":{nested(DEEP)}}}}}'

    assert door.http.post(f"/{path}", content=body.encode()).status_code == 422


@pytest.mark.parametrize(
    "started", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-01-01T00:00:00Z"]
)
def test_no_observation_breaks_its_run_page(
    door: Door, client: Client, ada: Person, started: str
) -> None:
    door.http.post(
        f"/runs/{door.run.pk}/observations",
        json={
            "observations": [
                {"id": "1", "tool": "t", "outcome": "succeeded", "started_at": started}
            ]
        },
    )
    client.force_login(ada)

    page = client.get(f"/runs/{door.run.pk}/")

    assert page.status_code == 200
    for action in Action.objects.all():
        assert action.claimed_at is not None
        assert action.claimed_at <= timezone.now() + timedelta(minutes=6)


def test_very_large_sums_are_kept_exactly(door: Door) -> None:
    door.http.post(
        f"/runs/{door.run.pk}/observations",
        json={
            "observations": [
                {"id": str(n), "tool": "t", "outcome": "succeeded", "input_tokens": 2**31}
                for n in range(3)
            ]
        },
    )

    assert Run.objects.get(pk=door.run.pk).input_tokens == 3 * 2**31


def test_an_agent_cannot_answer_for_a_lost_outcome_in_advance(door: Door) -> None:
    action = door.propose("1", claim_id="a").json()["action"]["id"]

    told = door.http.post(
        f"/runs/{door.run.pk}/reviews", json={"key": f"unknown:{action}", "title": "All is well"}
    )
    Action.objects.filter(pk=action).update(lease_until=timezone.now() - timedelta(seconds=1))
    actions.lose(Action.objects.get(pk=action))

    assert told.status_code == 422
    assert Hold.objects.get(key=f"unknown:{action}").action_id is not None


def test_an_agent_cannot_flood_the_queues(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_QUEUES", 3)

    names = [
        door.http.post(
            f"/runs/{door.run.pk}/reviews", json={"key": str(n), "title": "t", "queue": f"q{n}"}
        ).json()["queue"]
        for n in range(5)
    ]
    held = door.propose("1", tool="refund.issue", arguments={"amount": 80}, queue="q9").json()

    assert names == ["q0", "q1", "q2", "unclassified", "unclassified"]
    assert Hold.objects.get(pk=held["action"]["id"]).queue.name == "approvals"
    assert Queue.objects.count() == 5


def test_a_stream_ends_when_its_key_is_revoked(door: Door, ada: Person) -> None:
    with door.http.stream("GET", f"/runs/{door.run.pk}/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: control"
        agents.revoke_key(AgentKey.objects.get(agent=door.run.agent), by=ada)

        rest = list(lines)

    assert not any(line.startswith("event: action") for line in rest)


def test_who_loses_its_key_while_it_waits_is_told_nothing(door: Door, ada: Person) -> None:
    action = door.propose("1", tool="refund.issue", arguments={"amount": 80}).json()["action"]["id"]
    seen = door.control()["version"]
    asked = (f"/actions/{action}?wait=30", f"/runs/{door.run.pk}/control?wait=30&seen={seen}")

    with ThreadPoolExecutor() as pool:
        waits = [pool.submit(door.http.get, path) for path in asked]
        until(lambda: UUID(action) in wait._of and f"control.{door.run.pk}" in hub._listeners)
        agents.revoke_key(AgentKey.objects.get(agent=door.run.agent), by=ada)
        holds.approve(Hold.objects.get(pk=action), by=ada)
        agents.stop(door.run.agent, by=ada, reason="odd")
        answers = [one.result() for one in waits]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert Action.objects.get(pk=action).delivered_at is None


@pytest.mark.parametrize("door_of", ["actions", "claim", "settle", "permits"])
def test_a_stranger_is_told_so_before_anything_else(
    knock: Callable[[str, Run], Door], run: Run, door_of: str
) -> None:
    path = {"actions": f"/runs/{run.pk}/actions", "permits": "/permits"}.get(
        door_of, f"/actions/{uuid4()}/{door_of}"
    )
    stranger = knock("wf_stranger", run).http

    assert stranger.post(path, content=b'{"zz": 1}').status_code == 401
    assert stranger.post(path, content=b"{").status_code == 401


def test_a_stranger_key_waits_for_nothing(knock: Callable[[str, Run], Door], run: Run) -> None:
    assert knock("wf_stranger", run).http.get(f"/actions/{uuid4()}?wait=60").status_code == 401


def test_nobody_fills_the_disk_with_one_request(live: str) -> None:
    for path in ("/sign-in/", "/api/v1/runs"):
        told = httpx.post(f"{live}{path}", content=b"x" * (9 * 1024 * 1024), timeout=20)

        assert told.status_code == 413
