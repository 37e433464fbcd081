"""What agents send, as typed shapes. Unknown fields are refused, sizes are capped."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from audit.errors import Invalid

from .rules.digest import NotCanonical, canonical, item_of, proposal_digest
from .rules.facts import Proposal

ARGUMENTS_BYTES = 256 * 1024
OPAQUE_BYTES = 64 * 1024
LARGEST_MONEY = Decimal(10) ** 11
LARGEST_AMOUNT = Decimal(10) ** 15
DEEPEST = 100
"""Nesting that people can still be shown; code that walks a value may recurse that far."""

VISIBLE = (
    r"^[^\s\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
    r"[^\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*$"
)
"""A name people choose by: nothing in it hides or turns the text around. In Python's own patterns the end
must be `\\Z`: there `$` lets a line feed pass, and pydantic's know no `\\Z`."""

type Id = Annotated[str, Meta(min_length=1, max_length=200)]
type Tokens = Annotated[int, Meta(ge=0, le=10**12)]
type Kind = Literal["tool", "model", "write"]
type Link = Annotated[str, Meta(max_length=1000, pattern=r"^(https?://\S+)?\Z")]
type Queue = Annotated[str, Meta(min_length=1, max_length=80, pattern=VISIBLE[:-1] + r"\Z")]
type Lease = Annotated[int, Meta(ge=1, le=86_400)]

NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
EXPONENT = re.compile(rb"\d[eE][+-]?\d\d")
TEXT_OR_EXPONENT = re.compile(rb'"(?:[^"\\]|\\.)*+"|\d[eE][+-]?(\d+)', re.DOTALL)


class Malformed(Exception):
    """The body is not JSON."""


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of what agents send."""


class Step(Request, kw_only=True):
    """What is done to what."""

    tool: Id
    kind: Kind = "tool"
    arguments: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))
    subject: Annotated[str, Meta(max_length=500)] = ""
    step: Annotated[str, Meta(max_length=200)] = ""
    attempt: Annotated[int, Meta(ge=1, le=10_000)] = 1
    trace_url: Link = ""

    def parsed_arguments(self) -> dict[str, Any]:
        """The arguments as values. Raises Invalid when they are no object, too large or not JSON."""
        return parsed_object(bytes(self.arguments), "arguments", ARGUMENTS_BYTES)


class Propose(Step, kw_only=True):
    """`POST /runs/{id}/actions`."""

    call_id: Id
    idempotency_key: Annotated[str, Meta(max_length=200)] = ""
    claim_id: Annotated[str, Meta(max_length=100)] = ""
    lease_s: Lease = 300
    estimated_tokens: Tokens = 0
    estimated_cost_usd: Decimal = Decimal(0)
    ask: bool = False
    on_behalf_of: Annotated[str, Meta(max_length=200)] = ""
    revises: UUID | None = None
    reason: Annotated[str, Meta(max_length=4000)] = ""
    amount: Decimal | None = None
    currency: Annotated[str, Meta(pattern=r"^([A-Z]{3})?\Z")] = ""
    queue: Queue = "approvals"
    expires_in_s: Annotated[int, Meta(ge=10, le=2_592_000)] = 86_400
    resume: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))


class Failure(Request, kw_only=True):
    """What went wrong, as the agent says it."""

    type: Annotated[str, Meta(max_length=200)] = ""
    message: Annotated[str, Meta(max_length=20_000)] = ""


class Claim(Request, kw_only=True):
    """`POST /actions/{id}/claim`."""

    claim_id: Annotated[str, Meta(max_length=100)] = ""
    lease_s: Lease = 300


class Settle(Request, kw_only=True):
    """`POST /actions/{id}/settle`."""

    outcome: Literal["succeeded", "failed", "interrupted"]
    claim_id: Annotated[str, Meta(max_length=100)] = ""
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cached_tokens: Tokens = 0
    cache_write_tokens: Tokens = 0
    cost_usd: Decimal = Decimal(0)
    model: Annotated[str, Meta(max_length=120)] = ""
    result: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    error: Failure | None = None
    duration_ms: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    trace_url: Link = ""

    def report_digest(self) -> bytes:
        """Tells the same report from another one; how long it took and who claimed do not matter."""
        return sha256(
            b"|".join(
                (
                    self.outcome.encode(),
                    str(self.input_tokens).encode(),
                    str(self.output_tokens).encode(),
                    str(self.cached_tokens).encode(),
                    str(self.cache_write_tokens).encode(),
                    self.model.encode(),
                    str(self.cost_usd.normalize()).encode(),
                    same_form(parsed(bytes(self.result), "result", OPAQUE_BYTES)),
                    msgspec.json.encode(self.error),
                )
            )
        ).digest()


def same_form(value: Any) -> bytes:
    """Equal bytes for equal values: RFC 8785 where it can, also for integers it has no form for."""
    try:
        return canonical(value)
    except NotCanonical:
        return json.dumps(value, sort_keys=True).encode()


def decoded[T: Request](decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The body as its shape. Raises Malformed (no JSON) or Invalid (names the field)."""
    try:
        request = decoder.decode(body or b"{}")
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(str(error)) from error
    if NUL.search(body):
        raise Invalid("Text must not contain the character U+0000.")
    return request


def parsed(raw: bytes, field: str, limit: int) -> Any:
    if len(raw) > limit:
        raise Invalid(f"{field} is larger than {limit // 1024} KiB.")
    try:
        value = msgspec.json.decode(raw)
    except msgspec.ValidationError as error:
        raise Invalid(f"{field}: {error}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"{field}: {error}") from error
    if is_too_deep(raw, value):
        raise Invalid(f"{field} is nested more than {DEEPEST} deep.")
    if size_written_out(raw) > limit:
        raise Invalid(f"{field} is larger than {limit // 1024} KiB with its numbers written out.")
    return value


def is_too_deep(raw: bytes, value: Any) -> bool:
    """Whether `value`, decoded from `raw`, is nested deeper than DEEPEST."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return False
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def size_written_out(raw: bytes) -> int:
    """How long the JSON is once PostgreSQL has written `1e-9000` as nine thousand digits."""
    if not EXPONENT.search(raw):
        return len(raw)
    return len(raw) + sum(int(found[1]) for found in TEXT_OR_EXPONENT.finditer(raw) if found[1])


def parsed_object(raw: bytes, field: str, limit: int) -> dict[str, Any]:
    value = parsed(raw, field, limit)
    if not isinstance(value, dict):
        raise Invalid(f"{field} must be an object.")
    return value


def refuse_endless(value: Any) -> None:
    """Refuse `1e300`: the database would give it back as an integer that no digest can bind."""
    match value:
        case float() if value.is_integer() and abs(value) > 2**53:
            raise Invalid(f"arguments: {value} is too large a number. Send it as text.")
        case dict():
            for inner in value.values():
                refuse_endless(inner)
        case list():
            for inner in value:
                refuse_endless(inner)


def checked_money(value: Decimal, field: str) -> Decimal:
    """Money is finite, not negative, and of a size that fits."""
    if not value.is_finite() or value < 0 or value >= LARGEST_MONEY:
        raise Invalid(f"{field} must be a decimal from 0 to below {LARGEST_MONEY:,}.")
    return value


class Proposed(msgspec.Struct, frozen=True):
    """A checked proposal, with what is derived from it."""

    request: Propose
    arguments: dict[str, Any]
    digest: bytes
    item: str
    ask_unless_ruled: bool = False
    """Policy's silence is no yes: see `Proposal`."""
    waits_at_most: timedelta | None = None
    """Whoever asks hangs up then, however long policy would let people think."""

    @classmethod
    def of(cls, request: Propose) -> Proposed:
        """Check what types cannot. Raises Invalid or Malformed."""
        arguments = request.parsed_arguments()
        if EXPONENT.search(bytes(request.arguments)):
            refuse_endless(arguments)
        parsed(bytes(request.resume), "resume", OPAQUE_BYTES)
        checked_money(request.estimated_cost_usd, "estimated_cost_usd")
        if request.amount is not None and (
            not request.amount.is_finite() or not -LARGEST_AMOUNT < request.amount < LARGEST_AMOUNT
        ):
            raise Invalid("amount must be a finite decimal below 10^15.")
        digest = digest_of(tool=request.tool, subject=request.subject, arguments=arguments)
        return cls(request, arguments, digest, item_of(subject=request.subject, digest=digest))

    def as_judged(self) -> Proposal:
        return Proposal(
            tool=self.request.tool,
            arguments=self.arguments,
            item=self.item,
            estimated_tokens=self.request.estimated_tokens,
            estimated_cost_usd=self.request.estimated_cost_usd,
            ask=self.request.ask,
            ask_unless_ruled=self.ask_unless_ruled,
        )


def digest_of(*, tool: str, subject: str, arguments: dict[str, Any]) -> bytes:
    """The proposal's digest. Raises Invalid when the arguments have no canonical form."""
    try:
        return proposal_digest(tool=tool, subject=subject, arguments=arguments)
    except NotCanonical as error:
        raise Invalid(f"arguments: {error}. Send large or very precise numbers as text.") from error


propose_decoder = msgspec.json.Decoder(Propose)
claim_decoder = msgspec.json.Decoder(Claim)
settle_decoder = msgspec.json.Decoder(Settle)
