"""What the hot doors answer, for the document only: PostgreSQL writes it (`agents_action_json`), or they themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

from ninja import Schema

from .shapes import ControlOut


class Action(Schema):
    """An action as its agent sees it: act on `arguments`, the effective ones."""

    id: UUID
    run_id: UUID
    agent_id: UUID
    call_id: str
    kind: Literal["tool", "model", "write"]
    tool: str
    subject: str
    state: str
    reason: str
    code: str
    requested_arguments: dict[str, Any]
    arguments: dict[str, Any]
    decision: Literal["", "approved", "edited", "rejected", "answered", "asked"]
    message: str
    decided_by: str
    decided_at: datetime | None
    expires_at: datetime | None
    claim_id: str
    lease_until: datetime | None
    result: Any
    error: Any
    resume: Any
    hold_id: UUID | None
    rule: str
    policy_version: str
    digest: str | None
    revises: UUID | None
    on_behalf_of: str
    votes_needed: int | None


class Admission(Schema):
    admission: Literal["allowed", "held", "denied", "replayed", "retry_later"]
    code: str
    reason: str
    retry_after_s: int | None
    action: Action | None
    control: ControlOut


class Settled(Schema):
    action: Action
    control: ControlOut


class Alive(Schema):
    control: ControlOut


class LimitAsked(TypedDict):
    """The limit that said so: a rate, a concurrency, or both."""

    resource: str
    rate: NotRequired[str]
    burst: NotRequired[int]
    concurrency: NotRequired[int]
    lease: NotRequired[str]


class Permit(Schema):
    granted: bool
    id: UUID
    wait_s: float
    starts_at: datetime | None
    retry_after_s: float
    waiting: bool
    lease_id: UUID | None
    lease_until: datetime | None
    limit: LimitAsked


class Renewed(Schema):
    lease_id: UUID
    lease_until: datetime


class Returned(Schema):
    lease_id: UUID
    returned: bool


class Problem(TypedDict):
    """Problem details (RFC 9457). `code` is stable."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    current_version: NotRequired[int]
    """With `version_conflict`."""
    hold: NotRequired[dict[str, Any]]
    """With an operator's conflict: how the hold stands."""
    fields: NotRequired[dict[str, str]]
    """With an operator's `invalid` arguments: what is wrong with which."""
