"""proposed → allowed → executing → succeeded | failed, all at once: what was done without asking"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from django.utils import timezone

from audit.errors import Conflict, Invalid

from ..models import Action, ActionState, AgentState, Run, RunState
from ..rules.digest import item_of
from ..rules.done import Done, micros
from ..shapes import digest_of
from . import run as runs
from . import together
from .trip import Trip
from .watching import Report, Work
from .writing import ask_facts, write

SKEW = timedelta(minutes=5)
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
"""A clock that was never set tells 1970; what lies before 2000 has no place in a timeline."""


class Failure(Protocol):
    type: str
    message: str


class Observation(Protocol):
    """See `api/shapes.py` and docs/api.md."""

    id: str
    tool: str
    kind: str
    arguments: dict[str, Any]
    subject: str
    step: str
    attempt: int
    outcome: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    model: str
    result: Any
    error: Failure | None
    started_at: datetime | None
    duration_ms: int | None
    trace_url: str


@together.whole_team
def add(run: Run, reported: Sequence[Any]) -> int:
    """Add what is new, let breakers judge it. Returns how many were new; all or nothing."""
    run = runs.lock(run.pk)
    if run.state == RunState.TERMINATED:
        raise Conflict("This run was terminated.", code="terminated")
    if not run.is_live:
        raise Conflict(f"This run is {run.state}.", code="run_finished")
    now = timezone.now()
    known = {
        call: (bytes(digest), state)
        for call, digest, state in Action.objects.filter(
            run=run, call_id__in=[o.id for o in reported]
        ).values_list("call_id", "digest", "state")
    }
    new: dict[str, Done] = {}
    for one in reported:
        done = as_done(one, now)
        digest, state = known.get(one.id, (done.digest, ""))
        if digest != done.digest:
            raise Conflict(f"The id {one.id} was used for another action.")
        if state in (ActionState.SUCCEEDED, ActionState.FAILED) and state != one.outcome:
            raise Conflict(f"The id {one.id} was reported as {state}.")
        if not state:
            new[one.id] = done
            known[one.id] = digest, one.outcome
    if not new:
        return 0
    with Trip() as trip:
        work = Work(run.agent_id, run.agent.team_id, run.pk, list(new.values()))
        facts = ask_facts(trip, [work], now, teams=[work.team])
    write([report_of(run, list(new.values()))], facts, now)
    return len(new)


def as_done(one: Observation, now: datetime) -> Done:
    """It ended when it was told: windows look at that, a clock of the agent's only dates its beginning."""
    digest = digest_of(tool=one.tool, subject=one.subject, arguments=one.arguments)
    started = one.started_at or now
    if started.tzinfo is None:
        raise Invalid("started_at needs a time zone.")
    return Done(
        call_id=one.id,
        kind=one.kind,
        tool=one.tool,
        subject=one.subject,
        item=item_of(subject=one.subject, digest=digest),
        step=one.step,
        attempt=one.attempt,
        arguments_json=json.dumps(one.arguments),
        digest=digest,
        failed=one.outcome == "failed",
        input_tokens=one.input_tokens,
        output_tokens=one.output_tokens,
        cost_usd=one.cost_usd,
        model=one.model,
        result_json=None if one.result is None else json.dumps(one.result),
        error_json=json.dumps({"type": one.error.type, "message": one.error.message})
        if one.error
        else None,
        duration_ms=one.duration_ms,
        trace_url=one.trace_url,
        started_us=micros(max(OLDEST, min(started, now + SKEW))),
        ended_us=micros(now),
    )


def report_of(run: Run, done: list[Done]) -> Report:
    return Report(
        agent=run.agent_id,
        team=run.agent.team_id,
        run=run.pk,
        done=done,
        is_under_way=run.state == RunState.RUNNING and run.agent.state == AgentState.ACTIVE,
        on_behalf_of=run.on_behalf_of,
        steps=bytes(run.steps),
    )
