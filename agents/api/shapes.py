"""What the ordinary endpoints take and give."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field, StringConstraints

from .door import Shape

type Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""Not `Name`: the document lists the operators' shapes beside these, and theirs is a shorter one."""
type Label = Annotated[str, StringConstraints(min_length=1, max_length=80)]
type Link = Annotated[str, StringConstraints(max_length=1000, pattern=r"^(https?://\S+)?$")]
type Tokens = Annotated[int, Field(ge=0, le=10**12, strict=True)]
type Money = Annotated[Decimal, Field(ge=0, lt=10**11, allow_inf_nan=False)]


class StartRun(Shape):
    name: Id
    key: Annotated[str, StringConstraints(max_length=200)] = ""
    version: Annotated[str, StringConstraints(max_length=80)] = ""
    on_behalf_of: Annotated[str, StringConstraints(max_length=200)] = ""
    metadata: dict[str, Any] = {}
    trace_url: Link = ""


class FinishRun(Shape):
    outcome: Literal["completed", "failed"]
    output: Any = None
    error: Annotated[str, StringConstraints(max_length=20_000)] = ""


class Acknowledge(Shape):
    ids: Annotated[list[UUID], Field(min_length=1, max_length=500)]


class SaveCheckpoint(Shape):
    state: Any
    expected_version: Annotated[int, Field(ge=0, strict=True)] | None = None


class RegisterVersion(Shape):
    label: Label
    tools: Annotated[list[Id], Field(max_length=1000)] = []
    model: Annotated[str, StringConstraints(max_length=120)] = ""
    deployed_by: Annotated[str, StringConstraints(max_length=120)] = ""
    metadata: dict[str, Any] = {}
    schemas: Annotated[dict[Id, dict[str, Any]], Field(max_length=200)] = {}


class CancelAction(Shape):
    reason: Annotated[str, StringConstraints(max_length=4000)] = ""


class Failure(Shape):
    type: Annotated[str, StringConstraints(max_length=200)] = ""
    message: Annotated[str, StringConstraints(max_length=20_000)] = ""


class Observation(Shape):
    """One thing that was done without asking; `id` is its call id and dedupes."""

    id: Id
    tool: Id
    kind: Literal["tool", "model", "write"] = "tool"
    arguments: dict[str, Any] = {}
    subject: Annotated[str, StringConstraints(max_length=500)] = ""
    step: Annotated[str, StringConstraints(max_length=200)] = ""
    attempt: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 1
    outcome: Literal["succeeded", "failed"]
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cost_usd: Money = Decimal(0)
    model: Annotated[str, StringConstraints(max_length=120)] = ""
    result: Any = None
    error: Failure | None = None
    started_at: datetime | None = None
    duration_ms: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] | None = None
    trace_url: Link = ""


class Observations(Shape):
    observations: Annotated[list[Observation], Field(min_length=1, max_length=500)]


class DirectiveOut(Schema):
    id: UUID
    kind: str
    body: Any
    by: str
    at: datetime


class ControlOut(Schema):
    """What the agent must obey: `running`, `paused`, `terminated`, `completed` or `failed`."""

    state: str
    reason: str
    version: str
    hold_id: UUID | None
    directives: list[DirectiveOut]
    cancel: list[UUID]
    """Actions being executed that a person wants stopped."""


class RunOut(Schema):
    id: UUID
    name: str
    key: str
    state: str
    state_reason: str
    version: str | None
    trace_url: str
    started_at: datetime
    finished_at: datetime | None
    control: ControlOut


class Acknowledged(Schema):
    acknowledged: int


class ObservedOut(Schema):
    accepted: int
    duplicates: int
    control: ControlOut


class CheckpointSaved(Schema):
    name: str
    version: int
    saved_at: datetime


class CheckpointOut(CheckpointSaved):
    state: Any


class VersionOut(Schema):
    id: UUID
    label: str
    tools: list[str]
    model: str
    deployed_by: str
    created_at: datetime


class AgentOut(Schema):
    id: UUID
    name: str
    team: str
    state: str
    state_reason: str
    tools: list[str]
    versions: list[VersionOut]
