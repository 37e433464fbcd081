"""The nouns of the protocol, as frozen dataclasses. Unknown fields of newer servers are ignored."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

Json = Any
"""Whatever `json.dumps` takes: None, bool, int, float, str, list, dict with str keys."""

OnUnreachable = Literal["closed", "open"]
OnUnbound = Literal["closed", "open"]
Kind = Literal["tool", "model", "write"]

M = TypeVar("M")


@dataclass(frozen=True)
class Directive:
    """What a person wants changed. `kind` is `instruction`, `state`, `limit` or `review`."""

    id: str
    kind: str
    body: dict[str, Any] = field(default_factory=dict)
    by: str = ""
    at: str = ""

    @property
    def text(self) -> str:
        """The instruction in words; empty for the other kinds."""
        return str(self.body.get("text", "")) if self.kind == "instruction" else ""


@dataclass(frozen=True)
class Control:
    """What the agent must obey now. `version` is opaque and changes when anything here does."""

    state: str = "running"
    reason: str = ""
    version: str = ""
    directives: tuple[Directive, ...] = ()
    hold_id: str | None = None
    cancel: tuple[str, ...] = ()
    """Ids of actions under way that a person asked to stop."""


@dataclass(frozen=True)
class Stop:
    """Why a run must not act. It stays readable where a framework ate the exception."""

    kind: Literal["paused", "terminated", "finished"]
    reason: str = ""


@dataclass(frozen=True)
class RunInfo:
    """A run as the server knows it."""

    id: str
    name: str = ""
    key: str | None = None
    state: str = "running"
    state_reason: str = ""
    version: str | None = None
    trace_url: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    control: Control = Control()


@dataclass(frozen=True)
class Action:
    """One thing a run wants to do. `arguments` are the effective ones: act on these."""

    id: str
    agent_id: str = ""
    run_id: str = ""
    call_id: str = ""
    kind: str = "tool"
    tool: str = ""
    subject: str | None = None
    state: str = "proposed"
    requested_arguments: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    decision: str | None = None
    message: str | None = None
    decided_by: str | None = None
    decided_at: str | None = None
    expires_at: str | None = None
    claim_id: str | None = None
    lease_until: str | None = None
    result: Json = None
    error: dict[str, Any] | None = None
    resume: Json = None
    hold_id: str | None = None
    reason: str | None = None
    code: str | None = None
    policy_version: str | int | None = None
    rule: str | None = None
    """Name of the rule that decided."""
    digest: str | None = None
    """Hex SHA-256 of what an approval allows to run; None before one."""
    revises: str | None = None
    """Id of the action this is a new version of."""
    on_behalf_of: str | None = None
    votes: dict[str, Any] | None = None
    """`{"given": 1, "needed": 2}` while it is held."""

    @property
    def is_edited(self) -> bool:
        """A person changed the arguments, be it only `1` to `1.0` or to `true`."""
        return is_changed(self.requested_arguments, self.arguments)

    def was_edited(self, name: str) -> bool:
        """A person changed this argument, or added it."""
        if name not in self.requested_arguments:
            return bool(self.requested_arguments)
        return is_changed(self.requested_arguments[name], self.arguments.get(name))

    @property
    def is_approved(self) -> bool:
        """A person said yes, possibly to other arguments; also once it was used."""
        return self.decision in ("approved", "edited")

    @property
    def lease_ends(self) -> datetime | None:
        return parse_time(self.lease_until)


@dataclass(frozen=True)
class Admission:
    """The answer to a proposal: `allowed`, `held`, `denied`, `replayed` or `retry_later`."""

    admission: str
    code: str = ""
    reason: str = ""
    retry_after_s: float | None = None
    action: Action | None = None
    control: Control | None = None


@dataclass(frozen=True)
class Review:
    """Work handed to people. `decision` is `resolved`, `retried`, `discarded` or empty."""

    id: str
    key: str = ""
    queue: str = ""
    title: str = ""
    state: str = "open"
    decision: str | None = None
    note: str | None = None
    decided_by: str | None = None
    decided_at: str | None = None
    payload: Json = None


@dataclass(frozen=True)
class Version:
    """What was deployed: a label, and the tools this version may use (None: any)."""

    label: str
    id: str = ""
    tools: list[str] | None = None
    model: str | None = None
    deployed_by: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PermitInfo:
    """What the server said about leave to use a resource. Times are the server's, RFC 3339."""

    id: str
    granted: bool = False
    wait_s: float = 0.0
    """Granted: sleep so long first. Refused: how long it would have been."""
    retry_after_s: float = 0.0
    waiting: bool = False
    """It stands in line for a place, and keeps its turn when it asks again at once with the same id."""
    starts_at: str | None = None
    lease_id: str | None = None
    lease_until: str | None = None
    limit: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Usage:
    """What an attempt consumed. `cost_usd` in US dollars."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | float | str | None = None
    model: str | None = None


@dataclass(frozen=True)
class HandOver:
    """Where work goes when every attempt failed.

    `key` makes handing over twice harmless, across runs; by default the step's `subject`.
    `queue` None is the server's default queue.
    """

    queue: str | None
    title: str
    payload: Json = None
    key: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Found:
    """`verify` found the write in the outside world; `result` is what it returned then."""

    result: Json = None


@dataclass(frozen=True)
class NotFound:
    """`verify` is sure that the write did not take effect, and never will."""


def read(noun: type[M], body: Any) -> M:
    """Build a noun from a JSON object, leaving out fields this version does not know."""
    known = {f.name for f in dataclasses.fields(noun)}  # type: ignore[arg-type]
    values = {name: value for name, value in dict(body).items() if name in known}
    if isinstance(values.get("control"), dict):
        values["control"] = read(Control, values["control"])
    if isinstance(values.get("action"), dict):
        values["action"] = read(Action, values["action"])
    if noun is Control:
        values["directives"] = tuple(read(Directive, d) for d in values.get("directives") or ())
        values["cancel"] = tuple(values.get("cancel") or ())
    return noun(**values)


def is_changed(before: Json, after: Json) -> bool:
    """Python takes 1, 1.0 and True for equal; as JSON they are three values."""
    return json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)


def parse_time(text: str | None) -> datetime | None:
    """RFC 3339 → aware datetime. Python 3.10 reads neither a trailing Z nor five decimals itself."""
    if not text:
        return None
    text = text.replace("Z", "+00:00")
    return datetime.fromisoformat(re.sub(r"\.(\d+)", lambda m: f".{m[1]:0<6.6}", text))
