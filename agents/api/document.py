"""The OpenAPI document: Django Ninja's, with the hot doors that Django never sees, and how every door refuses."""

from __future__ import annotations

from typing import Any

import msgspec
from ninja.schema import NinjaGenerateJsonSchema
from pydantic import TypeAdapter

from .. import shapes
from ..hot.http import LONGEST_WAIT_S
from ..hot.permit_judging import Ask, Renew
from . import answers

COMPONENTS = "#/components/schemas/"

TAKEN = [shapes.Propose, shapes.Claim, shapes.Settle, Ask, Renew]
GIVEN = [
    answers.Action,
    answers.Admission,
    answers.Settled,
    answers.Alive,
    answers.Permit,
    answers.Renewed,
    answers.Returned,
    answers.Problem,
]

RUN, ACTION, PERMIT = (
    {"in": "path", "name": name, "required": True, "schema": {"type": "string", "format": "uuid"}}
    for name in ("run_id", "action_id", "permit_id")
)
WAIT = {
    "in": "query",
    "name": "wait",
    "description": "Seconds to wait for a change.",
    "schema": {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT_S, "default": 0},
}
SEEN = {
    "in": "query",
    "name": "seen",
    "description": "The control's `version` that is known already.",
    "schema": {"type": "string", "default": ""},
}


def with_hot_doors(document: dict[str, Any]) -> dict[str, Any]:
    """Complete Django Ninja's document."""
    components = document["components"]
    components["schemas"] = taken() | given() | components["schemas"]
    components["responses"] = {
        "Problem": {
            "description": "Problem details (RFC 9457)",
            "content": content("Problem", kind="application/problem+json"),
        }
    }
    components["securitySchemes"] = {  # Ninja adds a name, which OpenAPI knows of other kinds only
        name: {"type": scheme["type"], "scheme": scheme["scheme"], "description": scheme["name"]}
        for name, scheme in components["securitySchemes"].items()
    }
    document["paths"] |= hot_doors()
    for methods in document["paths"].values():
        for described in methods.values():
            described["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
    return document


def taken() -> dict[str, Any]:
    """What the hot doors read, by name."""
    _, schemas = msgspec.json.schema_components(TAKEN, ref_template=COMPONENTS + "{name}")
    schemas["Propose"]["properties"]["arguments"] = {"type": "object", "default": {}}
    return {name: spoken(schema) for name, schema in schemas.items()}


def spoken(schema: Any) -> Any:
    r"""As every language has it: `\Z` is Python's own. A decimal may come as a number, too."""
    match schema:
        case {"format": "decimal"}:
            return {**schema, "type": ["string", "number"]}
        case dict():
            return {name: spoken(inner) for name, inner in schema.items()}
        case list():
            return [spoken(inner) for inner in schema]
        case str():
            return schema[:-2] + "$" if schema.endswith(r"\Z") else schema
    return schema


def given() -> dict[str, Any]:
    """What they answer, by name."""
    _, schemas = TypeAdapter.json_schemas(
        [(kind, "serialization", TypeAdapter(kind)) for kind in GIVEN],
        ref_template=COMPONENTS + "{model}",
        schema_generator=NinjaGenerateJsonSchema,
    )
    named: dict[str, Any] = schemas["$defs"]
    return named


def hot_doors() -> dict[str, Any]:
    return {
        "/api/v1/runs/{run_id}/actions": {
            "post": operation(
                "Propose an action",
                RUN,
                body="Propose",
                responses={200: content("Admission"), 202: content("Admission")},
            )
        },
        "/api/v1/actions/{action_id}": {
            "get": operation(
                "Read an action, or wait while it is held",
                ACTION,
                WAIT,
                responses={200: content("Action")},
            )
        },
        "/api/v1/actions/{action_id}/claim": {
            "post": operation(
                "Take an action, once", ACTION, body="Claim", responses={200: content("Action")}
            )
        },
        "/api/v1/actions/{action_id}/settle": {
            "post": operation(
                "Say how it ended", ACTION, body="Settle", responses={200: content("Settled")}
            )
        },
        "/api/v1/runs/{run_id}/control": {
            "get": operation(
                "What the run must obey", RUN, WAIT, SEEN, responses={200: content("ControlOut")}
            )
        },
        "/api/v1/runs/{run_id}/heartbeat": {
            "post": operation("Say that the run is alive", RUN, responses={200: content("Alive")})
        },
        "/api/v1/runs/{run_id}/stream": {
            "get": operation("The same as server-sent events", RUN, responses={200: EVENTS})
        },
        "/api/v1/permits": {
            "post": operation(
                "Ask to use what agents share", body="Ask", responses={200: content("Permit")}
            )
        },
        "/api/v1/permits/{permit_id}/renew": {
            "post": operation(
                "Keep a place for longer", PERMIT, body="Renew", responses={200: content("Renewed")}
            )
        },
        "/api/v1/permits/{permit_id}": {
            "delete": operation("Give a place back", PERMIT, responses={200: content("Returned")})
        },
    }


EVENTS = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "description": "`event: control` with a ControlOut at the start and at every change, "
            "`event: action` with an Action whenever a held one is decided.",
        }
    }
}


def operation(
    summary: str, *parameters: dict[str, Any], responses: dict[int, Any], body: str = ""
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": summary,
        "security": [{"AgentKeyAuth": []}],
        "parameters": list(parameters),
        "responses": {
            status: {"description": "OK", "content": told} for status, told in responses.items()
        },
    }
    if body:
        described["requestBody"] = {"required": True, "content": content(body)}
    return described


def content(name: str, *, kind: str = "application/json") -> dict[str, Any]:
    return {kind: {"schema": {"$ref": COMPONENTS + name}}}
