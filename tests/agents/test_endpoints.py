"""The ordinary endpoints of the agents' API, over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models import Action, AgentVersion, Run, Trip
from people.models import Person
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import Door


def observe(door: Door, *observations: dict[str, Any]) -> Any:
    return door.http.post(
        f"/runs/{door.run.pk}/observations", json={"observations": list(observations)}
    )


def seen(n: int, outcome: str = "succeeded", **more: Any) -> dict[str, Any]:
    return {"id": f"o{n}", "tool": "search", "outcome": outcome, "subject": f"s{n}", **more}


def test_a_key_finds_its_unfinished_run_again(door: Door) -> None:
    first = door.http.post("/runs", json={"name": "batch", "key": "2026-11-21", "version": "1.4"})
    again = door.http.post("/runs", json={"name": "batch", "key": "2026-11-21"})
    run = first.json()["id"]

    door.http.post(f"/runs/{run}/finish", json={"outcome": "completed"})
    over = door.http.post("/runs", json={"name": "batch", "key": "2026-11-21"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == run
    assert first.json()["version"] == "1.4"
    assert (over.status_code, over.json()["code"]) == (409, "run_finished")


def test_finishing_twice_alike_is_harmless_and_otherwise_refused(door: Door) -> None:
    url = f"/runs/{door.run.pk}/finish"

    answers = [
        door.http.post(url, json={"outcome": outcome}).status_code
        for outcome in ("completed", "completed", "failed")
    ]

    assert answers == [200, 200, 409]


def test_a_finished_run_cancels_what_waits(door: Door) -> None:
    told = door.propose("1", tool="refund.issue", arguments={"amount": 80}).json()

    door.http.post(f"/runs/{door.run.pk}/finish", json={"outcome": "completed"})

    assert Hold.objects.get(pk=told["action"]["id"]).state == "cancelled"
    assert door.propose("2").json()["code"] == "run_finished"


def test_checkpoints_have_versions(door: Door) -> None:
    url = f"/runs/{door.run.pk}/checkpoints/main"
    assert door.http.get(url).json()["code"] == "no_checkpoint"

    first = door.http.put(url, json={"state": {"n": 1}, "expected_version": 0})
    late = door.http.put(url, json={"state": {"n": 9}, "expected_version": 0})

    assert first.json()["version"] == 1
    assert (late.status_code, late.json()["code"]) == (409, "version_conflict")
    assert late.json()["current_version"] == 1
    assert door.http.get(url).json()["state"] == {"n": 1}


def test_observations_are_deduplicated_and_summed(door: Door) -> None:
    told = observe(door, seen(1, input_tokens=5, cost_usd="0.1"), seen(2)).json()
    again = observe(door, seen(2), seen(3)).json()

    assert (told["accepted"], told["duplicates"]) == (2, 0)
    assert (again["accepted"], again["duplicates"]) == (1, 1)
    run = Run.objects.get(pk=door.run.pk)
    assert (run.actions_count, run.input_tokens) == (3, 5)


def test_one_bad_observation_changes_nothing(door: Door) -> None:
    observe(door, seen(1))

    told = observe(door, seen(5), {**seen(1), "arguments": {"other": 1}})

    assert told.json()["code"] == "conflict"
    assert Action.objects.count() == 1


def test_observed_failures_trip(door: Door) -> None:
    told = observe(door, *[seen(n, "failed") for n in range(10)]).json()

    assert told["control"]["state"] == "paused"
    assert Trip.objects.get().condition == "errors"
    assert Action.objects.count() == 10
    assert observe(door, seen(11, "failed")).status_code == 200


def test_observed_repeats_in_one_report_trip(door: Door) -> None:
    told = observe(
        door, *[{**seen(n), "subject": "mail:1", "result": f"{n} left"} for n in range(6)]
    ).json()

    assert told["control"]["state"] == "paused"
    assert Trip.objects.get().value == 6


def test_handed_over_work_is_once_and_its_answer_reaches_the_run(door: Door, ada: Person) -> None:
    url = f"/runs/{door.run.pk}/reviews"
    body = {"key": "mail:7", "title": "Where is my …", "payload": {"text": "hm"}}
    first = door.http.post(url, json=body)
    again = door.http.post(url, json=body)

    holds.retry(Hold.objects.get(pk=first.json()["id"]), by=ada, note="look again")

    assert (first.status_code, again.status_code) == (201, 200)
    (directive,) = door.control()["directives"]
    assert directive["kind"] == "review"
    assert directive["body"]["decision"] == "retried"
    read = door.http.get(f"/reviews/{first.json()['id']}").json()
    assert (read["state"], read["decision"], read["note"]) == ("decided", "retried", "look again")


def test_an_answer_without_a_live_run_waits_for_the_next(door: Door, ada: Person) -> None:
    told = door.http.post(f"/runs/{door.run.pk}/reviews", json={"key": "k", "title": "t"}).json()
    door.http.post(f"/runs/{door.run.pk}/finish", json={"outcome": "completed"})

    holds.resolve(Hold.objects.get(pk=told["id"]), by=ada, payload={"category": "card"})

    following = door.http.post("/runs", json={"name": "next"}).json()
    (directive,) = following["control"]["directives"]
    assert directive["body"]["payload"] == {"category": "card"}


def test_a_held_action_can_be_withdrawn(door: Door) -> None:
    told = door.propose("1", tool="refund.issue", arguments={"amount": 80}).json()
    url = f"/actions/{told['action']['id']}/cancel"

    withdrawn = door.http.post(url, json={"reason": "not needed"})
    again = door.http.post(url, json={})

    assert withdrawn.json()["state"] == "cancelled"
    assert again.status_code == 200
    assert Hold.objects.get().state == "cancelled"


def test_versions_are_registered_once(door: Door) -> None:
    first = door.http.post("/versions", json={"label": "2.0", "tools": ["search"]})
    again = door.http.post("/versions", json={"label": "2.0"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert door.http.get("/agent").json()["versions"][0]["label"] == "2.0"


def test_a_label_stands_for_what_was_deployed(door: Door) -> None:
    door.http.post("/versions", json={"label": "2.0", "tools": ["search"], "model": "a"})

    other = door.http.post("/versions", json={"label": "2.0", "tools": ["search"], "model": "b"})

    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert AgentVersion.objects.get(label="2.0").model == "a"


def test_a_label_that_only_a_run_named_can_be_described(door: Door) -> None:
    door.http.post("/runs", json={"name": "r", "version": "2.0"})

    told = door.http.post("/versions", json={"label": "2.0", "tools": ["search"]})

    assert told.status_code == 201
    assert AgentVersion.objects.get(label="2.0").tools == ["search"]


def test_another_model_or_other_tokens_are_another_report(door: Door) -> None:
    told = door.propose("1", claim_id="c").json()["action"]["id"]
    door.settle(told, claim_id="c", model="a", input_tokens=9)

    again = door.settle(told, claim_id="c", model="a", input_tokens=9)
    other = door.settle(told, claim_id="c", model="b", input_tokens=9)
    cached = door.settle(told, claim_id="c", model="a", input_tokens=9, cached_tokens=3)

    assert [again.status_code, other.status_code, cached.status_code] == [200, 409, 409]


def test_an_observation_that_ended_otherwise_is_another(door: Door) -> None:
    url = f"/runs/{door.run.pk}/observations"
    seen = {"id": "1", "tool": "search", "outcome": "succeeded"}
    door.http.post(url, json={"observations": [seen]})

    other = door.http.post(url, json={"observations": [seen | {"outcome": "failed"}]})

    assert (other.status_code, other.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("path", "content", "status", "code"),
    [
        ("/runs", b"{", 400, "malformed_json"),
        ("/runs", b'{"name": NaN}', 400, "malformed_json"),
        ("/runs", b'{"name": "x", "metadata": {"a": "\\u0000"}}', 400, "malformed_json"),
        ("/runs", b"{}", 422, "invalid"),
        ("/runs", b'{"name": "x", "surprise": 1}', 422, "invalid"),
        ("/runs", b'{"name": "x", "trace_url": "javascript:x"}', 422, "invalid"),
        ("/runs", b'{"name": "' + b"x" * 1_100_000 + b'"}', 413, "too_large"),
        ("/versions", b"[]", 422, "invalid"),
    ],
)
def test_bad_input_is_refused_in_words(
    door: Door, path: str, content: bytes, status: int, code: str
) -> None:
    told = door.http.post(path, content=content, headers={"content-type": "application/json"})

    assert (told.status_code, told.json()["code"]) == (status, code), told.text
    assert told.headers["content-type"] == "application/problem+json"
    assert Run.objects.count() == 1


def test_the_document_names_every_door(door: Door) -> None:
    paths = door.http.get("/openapi.json").json()["paths"]

    assert {
        "/api/v1/runs",
        "/api/v1/runs/{run_id}/actions",
        "/api/v1/actions/{action_id}/claim",
        "/api/v1/actions/{action_id}/settle",
        "/api/v1/runs/{run_id}/stream",
        "/api/v1/runs/{run_id}/reviews",
        "/api/v1/runs/{run_id}/observations",
    } <= set(paths)
