"""What a guarded step can be told, in one place for both clients and every way to write a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from watchfloor.models import HandOver, Json, Kind, OnUnreachable, Usage

if TYPE_CHECKING:
    from datetime import timedelta

Tries = type[BaseException] | tuple[type[BaseException], ...]


@dataclass(frozen=True)
class Backoff:
    """Wait between attempts: `first · 2ⁿ` seconds up to `most`, plus up to `jitter` seconds."""

    first: float = 0.5
    most: float = 30.0
    jitter: float = 0.5


class ProposalOptions(TypedDict, total=False):
    """What every proposed action can say about itself."""

    subject: str | None
    """The item worked on (`mail:8841`); what a loop is judged by."""
    reason: str | None
    """Why, in the agent's words."""
    amount: Decimal | float | str | None
    """What is at stake, for the person who decides."""
    currency: str | None
    queue: str | None
    """Where it waits when it is held; the server's default is `approvals`."""
    expires_in: timedelta | float | None
    """How long it waits before it expires; seconds or a timedelta, 10 s to 30 days."""
    revises: str | None
    """Id of the action this is a new version of; the server finds the one a person asked about."""
    on_behalf_of: str | None
    """Whose wish it is; nobody decides about their own. By default the run's."""
    resume: Json
    """Opaque JSON handed back with the decision, so that another process finds its way back."""
    estimated_tokens: int | None
    estimated_cost_usd: Decimal | float | str | None
    """Reserved in the budget until the outcome is known."""
    trace_url: str | None


class PerformOptions(TypedDict, total=False):
    """How an attempt is run and reported."""

    timeout: float | None
    """Seconds one attempt may take. In sync code a late attempt is abandoned, not killed."""
    lease: float | None
    """Seconds until a claim without an outcome counts as unknown; by default timeout + 60."""
    usage: Callable[[Any], Usage | None] | None
    """Reads tokens and cost out of the result."""
    restore: Callable[[Json], Any] | None
    """Rebuilds a result from its stored JSON, when a step that was done before is met again."""


class StepOptions(ProposalOptions, PerformOptions, total=False):
    """All that `Run.step` and `Run.guarded` take."""

    arguments: Mapping[str, Any] | None
    """Given to `fn` as keyword arguments, possibly edited by a person."""
    kind: Kind
    retries: int
    """How often a failed attempt is repeated, per tool of the chain. Default 3."""
    backoff: Backoff
    retry_on: Tries
    """Errors worth another attempt or a fallback. Default: every Exception."""
    fallbacks: Sequence[tuple[str, Callable[..., Any]]]
    """Other tools to try, in order, when the first one is exhausted."""
    hand_over: HandOver | None
    """Give the work to a person when the whole chain failed."""
    gated: bool
    """False: do it without asking and report it as an observation."""
    ask: bool
    """True: hold for a person even where the policy would allow it."""
    on_unreachable: OnUnreachable | None
    """What happens when the control plane is away; None is the client's choice."""
    step_id: str | None
    """Names the step within the run; by default tool, subject, arguments and occurrence."""
    replay: bool
    """True: a step this run already did is not done again, its stored result is returned."""


class OnceOptions(ProposalOptions, PerformOptions, total=False):
    """All that `Run.once` takes beside its own parameters."""

    arguments: Mapping[str, Any] | None
    retries: int
    backoff: Backoff
    retry_on: Tries
    unsure_on: Tries
    """Errors that leave the outcome open. Default: timeouts and lost connections."""
    ask: bool
    wait_for_lease: bool
    """True: wait while another process holds the claim. False: raise OutcomeUnknown."""
    takeover: bool
    """True: no other process can be at it; verify at once instead of waiting for the lease."""
    on_unreachable: Literal["closed"] | None
    """An external write always fails closed."""


class GuardOptions(ProposalOptions, PerformOptions, total=False):
    """All that `Run.guard_tool` takes beside its own parameters."""

    kind: Kind
    gated: bool
    ask: bool
    on_unreachable: OnUnreachable | None
    retries: int
    backoff: Backoff
    retry_on: Tries
