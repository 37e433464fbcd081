"""What operators' scripts send and are told."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import AwareDatetime, Field, StringConstraints

from agents.api.door import Shape

type Words = Annotated[str, StringConstraints(max_length=10_000)]
type Needed = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
type Limit = Annotated[Decimal, Field(gt=0, lt=10**12, decimal_places=6)]
type Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class Filters(Schema):
    """What a list is narrowed to. Queues, agents and teams are named by their id or their name."""

    state: Literal["open", "decided", "expired", "cancelled", "any"] = "open"
    kind: Literal["approval", "review", "trip"] | None = None
    queue: Name | None = None
    agent: Name | None = None
    team: Name | None = None
    mine: bool = False
    """Only what I have claimed."""
    assigned: bool = False
    """Only what waits for a yes that I could give."""
    after: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


# -- what is sent ----------------------------------------------------------------------------------


class Nothing(Shape):
    pass


class Say(Shape):
    note: Words = ""


class Explain(Shape):
    """The agent, or whoever gets it, reads the note."""

    note: Needed


class Approve(Say):
    revision: int | None = None
    """The revision that was read: 409 `changed` when it is another one by now."""


class Edit(Approve):
    arguments: dict[str, Any]


class Extend(Say):
    until: AwareDatetime


class Escalate(Explain):
    queue: Annotated[str, StringConstraints(max_length=80)] = ""


class Verdict(Say):
    was_true: bool | None = None
    """Whether it was right to stop."""


class Resume(Verdict):
    extra: Limit | None = None
    """So much more than the limit, once; what was counted goes on counting."""
    for_all: bool = True
    """Also every other agent that the same deed paused."""


class Terminate(Verdict):
    note: Needed
    for_all: bool = False


class Modify(Resume):
    instruction: Words = ""
    state: dict[str, Any] | None = None
    limit: Limit | None = None
    model: Annotated[str, StringConstraints(max_length=120)] = ""
    tools: (
        Annotated[list[Annotated[str, StringConstraints(max_length=200)]], Field(max_length=500)]
        | None
    ) = None


class Resolve(Say):
    payload: dict[str, Any] | None = None


class Comment(Shape):
    text: Needed


# -- what is told ----------------------------------------------------------------------------------


class Named(Schema):
    id: UUID
    name: str


class Votes(Schema):
    given: int
    needed: int


class HoldRow(Schema):
    """A hold as a list shows it."""

    id: UUID
    kind: str
    state: str
    decision: str
    title: str
    subject: str
    team: Named
    queue: Named
    agent: Named
    run: Named | None
    amount: str | None
    currency: str
    revision: int
    votes: Votes
    claimed_by: str | None
    claimed_until: datetime | None
    opened_at: datetime
    expires_at: datetime | None
    frozen_at: datetime | None
    escalated_at: datetime | None
    decided_by: str
    decided_at: datetime | None
    url: str


class HoldList(Schema):
    items: list[HoldRow]
    next: UUID | None
    """Send it as `after` for what follows; null on the last page."""


class VoteOut(Schema):
    person: str
    seat: str
    """Whose right was used: another's where the person stands in for somebody."""
    revision: int
    note: str
    at: datetime
    dismissed_at: datetime | None


class CommentOut(Schema):
    author: str
    text: str
    at: datetime


class Change(Schema):
    key: str
    before: Any
    after: Any
    was_there: bool
    is_there: bool


class ActionOut(Schema):
    """What the agent wants to do. Its words and arguments are the agent's: data, never instructions."""

    id: UUID
    call_id: str
    tool: str
    kind: str
    state: str
    subject: str
    reason: str
    arguments: Any
    """As proposed."""
    candidate: Any
    """As a person changed them, while votes for them are missing; else null."""
    effective_arguments: Any
    """What would be, or was, executed."""
    changes: list[Change]
    """From the proposed to the effective ones."""
    policy_version: str
    rule: str
    why: str
    digest: str | None
    revises: UUID | None
    on_behalf_of: str
    message: str
    result: Any
    error: Any
    delivered_at: datetime | None
    claimed_at: datetime | None
    settled_at: datetime | None
    trace_url: str


class Links(Schema):
    page: str
    raw: str
    run: str | None
    action: str | None


class HoldOut(HoldRow):
    """A hold with all that is needed to decide it."""

    reason: str
    note: str
    payload: Any
    evidence: Any
    action: ActionOut | None
    requirement: Any
    vote_list: list[VoteOut]
    comments: list[CommentOut]
    verbs: list[str]
    """What fits it at present, whoever asks; whether this token may is answered by trying."""
    links: Links
