"""Messages as Standard Webhooks writes them: https://github.com/standard-webhooks/standard-webhooks (spec 1.0).

The body is `{"type", "timestamp", "data"}`; the headers carry its id, the moment of this try and a signature
(HMAC-SHA256 over `id.timestamp.body`, base64, `v1,` before it). An AAP instance is written to in AAP's own shape:
the id and the type stand beside the rest.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from standardwebhooks import Webhook

from .errors import Invalid
from .ids import new_id


def new_secret() -> str:
    """`whsec_` and 32 random bytes in base64: what a receiver verifies our signatures with."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


def check_secret(secret: str) -> None:
    """Refuse what is no signing secret of 24 to 64 bytes (the sizes the specification allows)."""
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise Invalid("A signing secret is whsec_ and the base64 of 24 to 64 random bytes.")


def new_message_id() -> str:
    return f"msg_{new_id().hex}"


def message_id_of(endpoint_hex: str, entry: int) -> str:
    """An entry's message to an endpoint: the trigger computes the same, so it can never have two ids."""
    return f"evt_{entry}_{endpoint_hex}"


def body(type: str, data: dict[str, Any], *, at: datetime) -> str:
    return canonical({"type": type, "timestamp": moment(at), "data": data})


def aap_body(message_id: str, type: str, data: dict[str, Any], *, at: datetime) -> str:
    return canonical({"created_at": moment(at), **data, "id": message_id, "type": type})


def canonical(value: Any) -> str:
    """One spelling: keys sorted, nothing between them. It is stored, so every try sends the same bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, cls=DjangoJSONEncoder
    )


def moment(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds: `2026-11-21T10:42:07.000000Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def headers(secret: str, message_id: str, body: str, *, at: datetime) -> dict[str, str]:
    """What goes with one try. The signature is of this moment: receivers refuse what is older than five minutes."""
    at = at.astimezone(UTC)
    return {
        "Content-Type": "application/json; charset=utf-8",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body),
    }
