"""What instances and provisioners send, as typed shapes. Unknown fields, nulls and repeated keys are refused."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from audit.errors import Invalid

from ..rules import exact
from ..shapes import VISIBLE, Propose, Proposed
from .errors import Problem

LONGEST_TOOL = 200
LONGEST_REASON = 4000
LONGEST_NAME = 80
SHORTEST_HOLD_S, LONGEST_HOLD_S = 10, 30 * 24 * 3600
UNIT_S = {"s": 1, "m": 60, "h": 3600}

type Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]*[smh]\Z", max_length=40)]
type Filled = Annotated[str, Meta(min_length=1)]
type Uuid = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")]
type Secret = Annotated[str, Meta(pattern=r"^whsec_[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\Z")]


class Shape(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of what comes in."""


class Submission(Shape, kw_only=True):
    """`POST /v1/requests`."""

    tool: Filled
    arguments: msgspec.Raw
    timeout: Duration
    context: msgspec.Raw | UnsetType = UNSET
    server: Filled | UnsetType = UNSET
    agent_reasoning: str | UnsetType = UNSET


class Outcome(Shape, kw_only=True):
    """`POST /v1/requests/{id}/outcome`."""

    status: Literal["succeeded", "failed"]
    note: str = ""


class Delivery(Shape, kw_only=True):
    """Where an instance wants to be told that its requests are decided."""

    type: str
    url: Filled
    registration_id: Uuid
    signing_secret: Secret


class Provision(Shape, kw_only=True):
    """`POST /v1/instances`."""

    instance_name: Filled | UnsetType = UNSET
    delivery: Delivery | UnsetType = UNSET


class Update(Shape, kw_only=True):
    """`PATCH /v1/instances/{id}`; a null delivery takes the receiver away."""

    instance_name: Filled | UnsetType = UNSET
    delivery: Delivery | UnsetType | None = UNSET


def read[S: Shape](shape: type[S], body: bytes) -> tuple[S, bytes]:
    """The body as its shape, and the SHA-256 of its value. Raises Problem, which names the field."""
    try:
        value = exact.read(body or b"{}")
    except exact.Unreadable as error:
        raise Problem("malformed_json", f"The body cannot be read: {error}") from error
    try:
        sent = msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        found = re.findall(r"\$\.([\w.]+)|field `([^`]+)`", str(error))
        param = ".".join([path for path, _ in found if path] + [name for _, name in found if name])
        raise Problem("invalid", str(error), param=param) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Problem("malformed_json", f"The body cannot be read: {error}") from error
    return sent, sha256(exact.form(value).encode()).digest()


@dataclass(frozen=True, slots=True)
class Submitted:
    """A checked submission. `arguments` and `context` are JSON as they were sent."""

    tool: str
    server: str | None
    arguments: str
    context: str | None
    timeout: str
    agent_reasoning: str | None
    digest: bytes

    @classmethod
    def read(cls, body: bytes) -> Submitted:
        """Raises Problem."""
        sent, digest = read(Submission, body)
        submitted = cls(
            tool=sent.tool,
            server=None if sent.server is UNSET else sent.server,
            arguments=an_object(sent.arguments, "arguments"),
            context=None if sent.context is UNSET else an_object(sent.context, "context"),
            timeout=sent.timeout,
            agent_reasoning=None if sent.agent_reasoning is UNSET else sent.agent_reasoning,
            digest=digest,
        )
        if len(submitted.qualified_tool) > LONGEST_TOOL:
            raise Problem(
                "invalid",
                f"Tool and server together may have {LONGEST_TOOL - 1} characters.",
                param="tool",
            )
        return submitted

    @property
    def qualified_tool(self) -> str:
        return f"{self.server}.{self.tool}" if self.server else self.tool

    @property
    def window(self) -> timedelta:
        return window_of(self.timeout)


def an_object(raw: msgspec.Raw, field: str) -> str:
    text = bytes(raw).decode()
    if not text.lstrip().startswith("{"):
        raise Problem("invalid", f"{field} must be an object.", param=field)
    return text


def window_of(timeout: str) -> timedelta:
    """How long a request may wait: what was asked for, but no longer than 30 days."""
    number = timeout[:-1]
    asked = int(number) * UNIT_S[timeout[-1]] if len(number) < 12 else LONGEST_HOLD_S
    return timedelta(seconds=min(asked, LONGEST_HOLD_S))


def proposal(*, call_id: str, tool: str, arguments: str, reason: str, waits: timedelta) -> Proposed:
    """A request as the action that it is. Raises Problem for arguments that nobody could be shown."""
    plain = exact.plain(exact.read(arguments.encode()))
    asked = Propose(
        call_id=call_id,
        tool=tool,
        arguments=msgspec.Raw(json.dumps(plain, ensure_ascii=False).encode()),
        reason=reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…",
        expires_in_s=min(max(round(waits.total_seconds()), SHORTEST_HOLD_S), LONGEST_HOLD_S),
    )
    try:
        proposed = Proposed.of(asked)
    except Invalid as error:
        raise Problem("invalid", error.detail, param="arguments") from error
    return msgspec.structs.replace(proposed, waits_at_most=waits)


def name_of(asked: str | UnsetType, otherwise: str) -> str:
    """An instance's name as people will read it. Raises Problem."""
    if asked is UNSET:
        return otherwise
    name = asked.strip()[:LONGEST_NAME].strip()
    if re.fullmatch(VISIBLE, name) is None:
        raise Problem(
            "invalid", "A name needs visible characters, and no others.", param="instance_name"
        )
    return name


def digest_of(request: Any) -> bytes:
    """The digest of a request that was kept, computed again from what is there now."""
    texts = {
        name: getattr(request, name) for name in ("tool", "server", "timeout", "agent_reasoning")
    }
    values = {
        name: json_value(text)
        for name in ("arguments", "context")
        if (text := getattr(request, name)) is not None
    }
    sent = {name: text for name, text in texts.items() if text is not None} | values
    return sha256(exact.form(sent).encode()).digest()


def key_digest(key: str | None) -> bytes:
    """SHA-256 of an Idempotency-Key. Raises Problem."""
    if not key:
        raise Problem("missing_idempotency_key", "Send an Idempotency-Key header.")
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def json_value(raw: str) -> Any:
    """JSON that was kept, its numbers exact."""
    return exact.read(raw.encode())
