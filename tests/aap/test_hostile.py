"""What a careless or hostile instance sends: a clear 4xx in the protocol's envelope, and nothing changed."""

from __future__ import annotations

import httpx
import pytest

from agents.models import Action
from agents.models.aap import AAPRequest

KEY = {"Idempotency-Key": "k"}


def body(*fields: str, without: str = "") -> str:
    given = {"tool": '"search"', "arguments": "{}", "timeout": '"5m"'}
    given.pop(without, None)
    parts = [f'"{name}":{value}' for name, value in given.items()]
    return "{" + ",".join([*parts, *fields]) + "}"


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ("", "tool"),
        ("{", ""),
        ("[]", ""),
        ("null", ""),
        (body(without="tool"), "tool"),
        (body(without="arguments"), "arguments"),
        (body(without="timeout"), "timeout"),
        (body('"tool":1', without="tool"), "tool"),
        (body('"tool":""', without="tool"), "tool"),
        (body(f'"tool":"{"x" * 201}"', without="tool"), "tool"),
        (body('"tool":"a\\u0000b"', without="tool"), ""),
        (body('"tool":"\\ud800"', without="tool"), ""),
        (body('"arguments":[]', without="arguments"), "arguments"),
        (body('"arguments":"{}"', without="arguments"), "arguments"),
        (body('"arguments":null', without="arguments"), "arguments"),
        (body('"arguments":{"a":1,"a":2}', without="arguments"), ""),
        (body('"arguments":{"a":NaN}', without="arguments"), ""),
        (body('"arguments":{"a":1e9999999999}', without="arguments"), ""),
        (body('"arguments":{"a":01}', without="arguments"), ""),
        (body(f'"arguments":{{"a":{"[" * 200}{"]" * 200}}}', without="arguments"), ""),
        (body(f'"arguments":{{"a":"{"x" * 300_000}"}}', without="arguments"), "arguments"),
        (body('"timeout":"5m"'), ""),
        (body('"timeout":300', without="timeout"), "timeout"),
        (body('"timeout":"0s"', without="timeout"), "timeout"),
        (body('"timeout":"-5m"', without="timeout"), "timeout"),
        (body('"timeout":"1.5h"', without="timeout"), "timeout"),
        (body('"timeout":"1d"', without="timeout"), "timeout"),
        (body('"timeout":"5m\\n"', without="timeout"), "timeout"),
        (body(f'"timeout":"{"9" * 60}s"', without="timeout"), "timeout"),
        (body('"context":[]'), "context"),
        (body('"context":null'), "context"),
        (body('"server":""'), "server"),
        (body('"server":null'), "server"),
        (body('"agent_reasoning":1'), "agent_reasoning"),
        (body('"queue":"mine"'), "queue"),
        (body('"id":"x"'), "id"),
    ],
)
def test_a_bad_request_changes_nothing(wire: httpx.Client, content: str, param: str) -> None:
    told = wire.post("/v1/requests", content=content, headers=KEY)

    error = told.json()["error"]
    assert told.status_code == 400, told.text
    assert error["type"] == "invalid_request"
    assert error.get("param", "") == param, error
    assert error["request_id"] == told.headers["X-Request-ID"]
    assert error["message"]
    assert not AAPRequest.objects.exists()
    assert not Action.objects.exists()


def test_bytes_that_are_no_text_are_refused(wire: httpx.Client) -> None:
    told = wire.post("/v1/requests", content=b'{"tool":"\xff"}', headers=KEY)

    assert (told.status_code, told.json()["error"]["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024])
def test_a_huge_body_is_refused(wire: httpx.Client, size: int) -> None:
    told = wire.post("/v1/requests", content=b" " * size, headers=KEY)

    assert (told.status_code, told.json()["error"]["code"]) == (413, "too_large")


def test_a_long_reasoning_is_kept_whole(wire: httpx.Client) -> None:
    words = "I think. " * 5000

    told = wire.post(
        "/v1/requests",
        json={"tool": "search", "arguments": {}, "timeout": "5m", "agent_reasoning": words},
        headers=KEY,
    )

    assert told.json()["agent_reasoning"] == words
    assert len(Action.objects.get().reason) == 4000


def test_a_very_long_timeout_is_shortened(wire: httpx.Client) -> None:
    told = wire.post(
        "/v1/requests",
        json={"tool": "search", "arguments": {}, "timeout": "99999999999999999999h"},
        headers=KEY,
    ).json()

    assert told["timeout"] == "99999999999999999999h"
    assert told["deadline_at"] > told["created_at"]


@pytest.mark.parametrize("wait", ["", "25", "0s", "-1s", "1.5s", "1d", "s", "9999999999999s"])
def test_a_bad_wait_is_refused(wire: httpx.Client, wait: str) -> None:
    made = wire.post("/v1/requests", content=body(), headers=KEY).json()

    told = wire.get(f"/v1/requests/{made['id']}", params={"wait": wait})

    assert told.status_code == (200 if wait == "" else 400)


def test_a_long_wait_is_capped_and_a_decided_request_waits_for_nothing(wire: httpx.Client) -> None:
    made = wire.post("/v1/requests", content=body(), headers=KEY).json()

    assert wire.get(f"/v1/requests/{made['id']}?wait=24h").json()["status"] == "approved"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/requests", 405),
        ("PUT", "/v1/requests/00000000-0000-0000-0000-000000000000", 405),
        ("GET", "/v1/requests/00000000-0000-0000-0000-000000000000/consume", 405),
        ("GET", "/v1/requests/not-an-id", 404),
        ("POST", "/v2/requests", 404),
        ("GET", "", 404),
    ],
)
def test_unknown_addresses_are_told_in_the_envelope(
    wire: httpx.Client, method: str, path: str, status: int
) -> None:
    told = wire.request(method, path)

    assert told.status_code == status
    assert told.json()["error"]["request_id"] == told.headers["X-Request-ID"]


@pytest.mark.parametrize("content", ["{}", '{"status":"done"}', '{"status":"failed","x":1}', "{"])
def test_a_bad_outcome_is_refused(wire: httpx.Client, content: str) -> None:
    made = wire.post("/v1/requests", content=body(), headers=KEY).json()
    wire.post(f"/v1/requests/{made['id']}/consume", headers=KEY).raise_for_status()

    told = wire.post(f"/v1/requests/{made['id']}/outcome", content=content)

    assert told.status_code == 400
    assert Action.objects.get().state == "executing"


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "bearer nobody"])
def test_without_a_credential_nothing_is_told(base: str, header: str) -> None:
    headers = {"Authorization": header} if header else {}

    for method, path in (
        ("POST", "/v1/requests"),
        ("GET", "/v1/requests/00000000-0000-0000-0000-000000000000?wait=30s"),
        ("POST", "/v1/instances"),
    ):
        told = httpx.request(method, f"{base}{path}", headers={**headers, **KEY})

        assert (told.status_code, told.json()["error"]["type"]) == (401, "authentication")
        assert told.headers["WWW-Authenticate"] == "Bearer"
