"""The served OpenAPI document says what is served: it is valid, and real answers fit it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from agents.hot import door as hot
from agents.models import Action
from agents.rules.limits import parse_limit
from agents.transitions import cancelling
from agents.transitions import limit as limits
from people.models import Person, Team
from people.transitions import token as tokens
from reviews.models import Hold
from reviews.transitions import hold as holds
from tests.cast import Door

BASE = "/api/v1"
LIMITS = [
    {"resource": "crm", "concurrency": 1, "lease": "30s"},
    {"resource": "openai", "rate": "60/1m", "burst": 3},
]
OPERATORS: Any = [{"PersonalTokenAuth": []}]


@pytest.fixture
def document(live: str) -> Any:
    return httpx.get(f"{live}{BASE}/openapi.json").json()


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    """`(method, path, operation)`, all of them."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


class Reader:
    """Reads every answer beside what the document says of it."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.components = closed(document["components"])
        self.seen: set[tuple[str, str, int]] = set()

    def __call__(self, answer: httpx.Response) -> None:
        request = answer.request
        path, operation = self.described(request)
        told = operation["responses"].get(str(answer.status_code))
        if told is None:
            assert answer.status_code >= 400, f"{request.method} {path} {answer.status_code}"
            told = operation["responses"]["default"]
        kind, schema = self.content(told)
        assert answer.headers["content-type"].partition(";")[0] == kind
        if answer.status_code < 400 and request.content:
            self.fits(operation["requestBody"]["content"]["application/json"], request.content)
        if kind != "text/event-stream":
            self.fits(schema, answer.read())
        self.seen.add((request.method, path, answer.status_code))

    def described(self, request: httpx.Request) -> tuple[str, Any]:
        """What the document says of this address; of a wrong method it says what it does of every refusal."""
        for path, methods in self.document["paths"].items():
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), request.url.path):
                other = next(iter(methods.values()))
                responses = {"default": other["responses"]["default"]}
                return path, methods.get(request.method.lower(), {"responses": responses})
        raise AssertionError(f"{request.url.path} is not described")

    def content(self, told: Any) -> tuple[str, Any]:
        if "$ref" in told:
            told = self.components["responses"][told["$ref"].rpartition("/")[2]]
        ((kind, content),) = told["content"].items()
        return kind, content

    def fits(self, content: Any, body: bytes) -> None:
        schema = {**content["schema"], "components": self.components}
        jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(json.loads(body))


def closed(schema: Any) -> Any:
    """The same, but what it does not name is refused."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(one) for name, one in schema.items()}
    if inner.get("type") == "object" and "properties" in inner:
        inner.setdefault("additionalProperties", False)
    return inner


@pytest.fixture
def reader(document: Any, door: Door) -> Reader:
    reader = Reader(document)
    door.http.event_hooks["response"].append(reader)
    return reader


# -- the document ----------------------------------------------------------------------------------


def test_the_document_is_valid(document: Any) -> None:
    mistakes = list(OpenAPIV31SpecValidator(document).iter_errors())

    assert [mistake.message for mistake in mistakes] == []


def test_every_hot_door_is_described(document: Any) -> None:
    described = {}
    for method, path, _operation in operations(document):
        if found := hot.ROUTE.fullmatch(re.sub(r"{\w+}", str(uuid4()), path)):
            described[hot.door_of(found)] = method

    assert described == hot.METHODS


def test_every_operation_says_how_it_refuses(document: Any) -> None:
    for method, path, operation in operations(document):
        refusal = operation["responses"].get("default")
        assert refusal == {"$ref": "#/components/responses/Problem"}, (method, path)


def test_patterns_are_of_every_language(document: Any) -> None:
    assert json.dumps(r"\Z")[1:-1] not in json.dumps(document)


def test_two_shapes_of_one_name_are_not_mixed_up(document: Any) -> None:
    schemas = document["components"]["schemas"]

    def longest(of: str, field: str) -> Any:
        schema = schemas[of]["properties"][field]
        return schema.get("maxLength") or schemas[schema["$ref"].rpartition("/")[2]]["maxLength"]

    assert longest("StartRun", "name") == 200
    assert longest("RegisterVersion", "label") == 80


def test_waiting_takes_a_number_of_seconds(document: Any) -> None:
    for path in ("/actions/{action_id}", "/runs/{run_id}/control"):
        told = document["paths"][f"{BASE}{path}"]["get"]["parameters"]
        (wait,) = [one["schema"] for one in told if one["name"] == "wait"]
        assert (wait["type"], wait["minimum"], wait["maximum"]) == ("number", 0, 60)


# -- real answers ----------------------------------------------------------------------------------


def walk(door: Door, ada: Person) -> None:
    """Every door of an agent's once, and those of actions with every kind of answer."""
    http, run = door.http, f"/runs/{door.run.pk}"
    http.get("/agent")
    for _ in range(2):
        http.post("/versions", json={"label": "1", "tools": ["t" * 200]})
        http.post("/runs", json={"name": "n" * 200, "key": "k", "version": "1"})
        http.post(f"{run}/reviews", json={"key": "mail:7", "title": "?", "payload": {"a": 1}})
    http.get(run)
    holds.resolve(Hold.objects.get(key="mail:7"), by=ada, note="done")
    http.get(f"/reviews/{Hold.objects.get(key='mail:7').pk}")
    http.put(f"{run}/checkpoints/main", json={"state": {"n": 1}})
    http.get(f"{run}/checkpoints/main")

    action = door.propose("1", claim_id="c", estimated_cost_usd=0.5).json()["action"]["id"]
    door.propose("1", claim_id="c", estimated_cost_usd=0.5)
    cancelling.ask(Action.objects.get(pk=action), by=ada)
    http.get(run)
    http.post(f"{run}/heartbeat")
    failure = {"type": "Odd", "message": "no"}
    door.settle(action, "failed", claim_id="c", error=failure, cost_usd="0.25")
    door.propose("2", "unlisted.tool")
    held = door.propose("3", "refund.issue", arguments={"amount": 80}, amount="80").json()
    door.read(held["action"]["id"], wait="0.1")
    holds.edit(Hold.objects.get(kind="approval"), by=ada, arguments={"amount": 60}, note="less")
    door.read(held["action"]["id"], wait="1")
    door.claim(held["action"]["id"], claim_id="d")
    http.post(f"/actions/{door.propose('4').json()['action']['id']}/cancel", json={})
    seen = {"id": "o1", "tool": "search", "outcome": "succeeded", "cost_usd": 0.1}
    http.post(f"{run}/observations", json={"observations": [seen]})

    (directive,) = door.control(wait="0.1", seen="other")["directives"]
    http.post(f"{run}/directives/ack", json={"ids": [directive["id"]]})

    lease = http.post("/permits", json={"resource": "crm"}).json()["lease_id"]
    http.post("/permits", json={"resource": "crm"})
    http.post("/permits", json={"resource": "openai", "run_id": str(door.run.pk)})
    http.post(f"/permits/{lease}/renew", json={"lease_s": 20})
    http.delete(f"/permits/{lease}")
    http.post(f"{run}/finish", json={"outcome": "completed"})


def test_every_answer_is_as_described(
    document: Any, reader: Reader, door: Door, support: Team, ada: Person
) -> None:
    for limit in LIMITS:
        limits.set(support, parse_limit(limit), by="test")

    walk(door, ada)
    with door.http.stream("GET", f"/runs/{door.run.pk}/stream") as stream:
        lines = stream.iter_lines()
        told = [next(lines), next(lines).removeprefix("data: ")]

    everything = {
        (method, path, int(status))
        for method, path, operation in operations(document)
        for status in operation["responses"]
        if status != "default" and operation["security"] != OPERATORS
    }
    assert everything - reader.seen == set()
    assert told[0] == "event: control"
    reader.fits({"schema": {"$ref": "#/components/schemas/ControlOut"}}, told[1].encode())


def test_every_refusal_is_as_described(reader: Reader, door: Door) -> None:
    http, run = door.http, f"/runs/{door.run.pk}"
    action = door.propose("1").json()["action"]["id"]
    json_ = {"content-type": "application/json"}
    refused: list[tuple[int, httpx.Response]] = []

    for path in ("/runs", f"{run}/actions"):
        refused += [
            (400, http.post(path, content=b"{", headers=json_)),
            (401, http.post(path, json={}, headers={"authorization": "Bearer wf_x"})),
            (405, http.patch(path)),
            (413, http.post(path, content=b" " * 1_100_000, headers=json_)),
            (422, http.post(path, json={"surprise": 1})),
        ]
    http.put(f"{run}/checkpoints/main", json={"state": 1})
    refused += [
        (404, http.get(f"/runs/{uuid4()}")),
        (404, http.get(f"{run}/checkpoints/other")),
        (404, http.post("/permits", json={"resource": "nobody.limits"})),
        (409, http.put(f"{run}/checkpoints/main", json={"state": 2, "expected_version": 0})),
        (409, door.propose("1", subject="other")),
        (409, door.settle(action)),
        (422, door.http.get(f"/actions/{action}", params={"wait": "61"})),
    ]

    assert [answer.status_code for _, answer in refused] == [status for status, _ in refused]


def test_what_operators_are_told_is_as_described(reader: Reader, door: Door, ada: Person) -> None:
    pk = door.propose("1", "refund.issue", arguments={"amount": 80}).json()["action"]["id"]
    _, secret = tokens.issue(ada, label="test", scopes=["decide"], by=ada)

    door.http.headers["authorization"] = f"Bearer {secret}"
    door.http.get("/holds", params={"agent": "scout"})
    door.http.get(f"/holds/{pk}")
    door.http.post(f"/holds/{pk}/approve", json={"note": "fine"})
    late = door.http.post(f"/holds/{pk}/reject", json={"note": "no"})

    assert (late.status_code, late.json()["hold"]["decision"]) == (409, "approved")


# -- methods and addresses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/runs", "POST"),
        ("/agent", "GET"),
        ("/runs/{run}/checkpoints/main", "GET, PUT"),
        ("/holds", "GET"),
        ("/holds/{run}/approve", "POST"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
def test_another_method_is_refused_as_everything_is(door: Door, path: str, allowed: str) -> None:
    tried = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(allowed.split(", "))

    for method in sorted(tried):
        told = door.http.request(method, path.format(run=door.run.pk))

        assert told.headers["content-type"] == "application/problem+json"
        assert (told.status_code, told.json()["code"]) == (405, "method_not_allowed")
        assert told.headers["allow"] == allowed


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/nowhere", "/runs/x", "/agent/"])
def test_an_unknown_address_is_told_as_everything_is(door: Door, method: str, path: str) -> None:
    told = door.http.request(method, path)

    assert told.headers["content-type"] == "application/problem+json"
    assert (told.status_code, told.json()["code"]) == (404, "not_found")
