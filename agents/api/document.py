"""The OpenAPI document, with the hot doors that Django never sees."""

from __future__ import annotations

from typing import Any

import msgspec

from .. import shapes

COMPONENT = "#/components/schemas/{name}"

OBJECT = {"type": "object"}

ACTION = {
    "type": "object",
    "properties": {
        name: {"type": kind}
        for name, kind in {
            "id": "string",
            "run_id": "string",
            "call_id": "string",
            "kind": "string",
            "tool": "string",
            "subject": "string",
            "state": "string",
            "reason": "string",
            "code": "string",
            "requested_arguments": "object",
            "arguments": "object",
            "decision": "string",
            "message": "string",
            "decided_by": "string",
            "claim_id": "string",
        }.items()
    }
    | {
        name: {}
        for name in (
            "decided_at",
            "expires_at",
            "lease_until",
            "result",
            "error",
            "resume",
            "hold_id",
        )
    },
}

CONTROL = {"$ref": "#/components/schemas/ControlOut"}

ADMISSION = {
    "type": "object",
    "properties": {
        "admission": {
            "type": "string",
            "enum": ["allowed", "held", "denied", "replayed", "retry_later"],
        },
        "code": {"type": "string"},
        "reason": {"type": "string"},
        "retry_after_s": {"type": ["integer", "null"]},
        "action": {"anyOf": [{"$ref": "#/components/schemas/Action"}, {"type": "null"}]},
        "control": CONTROL,
    },
}

PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
    },
}


def with_hot_doors(document: dict[str, Any]) -> dict[str, Any]:
    """Add propose, claim, settle, wait and stream to Django Ninja's document."""
    _, components = msgspec.json.schema_components(
        [shapes.Propose, shapes.Claim, shapes.Settle],
        schema_hook=lambda kind: {"description": "any JSON"},
        ref_template=COMPONENT,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in components.items():
        schemas.setdefault(name, schema)
    schemas.update({"Action": ACTION, "Admission": ADMISSION, "Problem": PROBLEM})
    document["paths"].update(
        {
            "/api/v1/runs/{run_id}/actions": {
                "post": operation(
                    "Propose an action",
                    body="Propose",
                    answers={200: "Admission", 202: "Admission"},
                )
            },
            "/api/v1/actions/{action_id}": {
                "get": operation(
                    "Read an action, or wait while it is held",
                    query=["wait"],
                    answers={200: "Action"},
                )
            },
            "/api/v1/actions/{action_id}/claim": {
                "post": operation("Take an action, once", body="Claim", answers={200: "Action"})
            },
            "/api/v1/actions/{action_id}/settle": {
                "post": operation("Say how it ended", body="Settle", answers={200: None})
            },
            "/api/v1/runs/{run_id}/control": {
                "get": operation(
                    "What the run must obey", query=["wait", "seen"], answers={200: "ControlOut"}
                )
            },
            "/api/v1/runs/{run_id}/heartbeat": {
                "post": operation("Say that the run is alive", answers={200: None})
            },
            "/api/v1/runs/{run_id}/stream": {
                "get": operation("The same as server-sent events", answers={200: None})
            },
        }
    )
    return document


def operation(
    summary: str,
    *,
    answers: dict[int, str | None],
    body: str = "",
    query: list[str] | None = None,
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": summary,
        "security": [{"AgentKeyAuth": []}],
        "parameters": [
            {"in": "query", "name": name, "schema": {"type": "string"}} for name in query or []
        ],
        "responses": {
            str(status): {"description": "OK", "content": content(name)}
            for status, name in answers.items()
        }
        | {
            "default": {
                "description": "Problem details (RFC 9457)",
                "content": {"application/problem+json": {"schema": ref("Problem")}},
            }
        },
    }
    if body:
        described["requestBody"] = {"required": True, "content": content(body)}
    return described


def content(name: str | None) -> dict[str, Any]:
    return {"application/json": {"schema": ref(name) if name else OBJECT}}


def ref(name: str) -> dict[str, str]:
    return {"$ref": COMPONENT.format(name=name)}
