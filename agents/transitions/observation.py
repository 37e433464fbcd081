"""proposed → allowed → executing → succeeded | failed, all at once: what was done without asking"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from django.db import connection, transaction
from django.db.models import BigIntegerField, F, Value
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict, Invalid
from audit.record import record

from .. import statements as sql
from ..models import Action, ActionState, AgentState, Run, RunState
from ..rules.breakers import first_trip, judge_observed
from ..rules.digest import item_of
from ..rules.facts import BreakerFacts, Observed
from ..shapes import digest_of
from ..weighing import breakers_decoder, counts_runs
from . import breaker as breakers
from . import run as runs

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


@transaction.atomic
def add(run: Run, reported: Sequence[Any]) -> int:
    """Add what is new, let breakers judge it. Returns how many were new; all or nothing."""
    run = runs.lock(run.pk)
    if run.state == RunState.TERMINATED:
        raise Conflict("This run was terminated.", code="terminated")
    if not run.is_live:
        raise Conflict(f"This run is {run.state}.", code="run_finished")
    now = timezone.now()
    known = dict(
        Action.objects.filter(run=run, call_id__in=[o.id for o in reported]).values_list(
            "call_id", "digest"
        )
    )
    new: dict[str, Action] = {}
    for one in reported:
        action = as_action(run, one, now)
        first = known.get(one.id) or (new[one.id].digest if one.id in new else None)
        if first is None:
            new[one.id] = action
        elif bytes(first) != action.digest:
            raise Conflict(f"The id {one.id} was used for another action.")
    if new:
        write(run, list(new.values()), now)
    return len(new)


def as_action(run: Run, one: Observation, now: datetime) -> Action:
    digest = digest_of(tool=one.tool, subject=one.subject, arguments=one.arguments)
    started = one.started_at or now
    if started.tzinfo is None:
        raise Invalid("started_at needs a time zone.")
    started = max(OLDEST, min(started, now + SKEW))
    return Action(
        agent=run.agent,
        run=run,
        call_id=one.id,
        kind=one.kind,
        tool=one.tool,
        subject=one.subject,
        item=item_of(subject=one.subject, digest=digest),
        step=one.step,
        attempt=one.attempt,
        arguments=one.arguments,
        digest=digest,
        state=ActionState(one.outcome),
        gated=False,
        on_behalf_of=run.on_behalf_of,
        input_tokens=one.input_tokens,
        output_tokens=one.output_tokens,
        cost_usd=one.cost_usd,
        model=one.model,
        result=one.result,
        error={"type": one.error.type, "message": one.error.message} if one.error else None,
        duration_ms=one.duration_ms,
        trace_url=one.trace_url,
        created_at=started,
        claimed_at=started,
        settled_at=now,
    )


def write(run: Run, actions: list[Action], now: datetime) -> None:
    """Judge against the windows as they were, then write actions, sums and one entry."""
    tripped = judge(run, actions, now)
    Action.objects.bulk_create(actions)
    failures = sum(a.state == ActionState.FAILED for a in actions)
    tokens = sum(a.tokens for a in actions)
    cost = sum((a.cost_usd for a in actions), Decimal(0))
    count(run, actions=len(actions), failures=failures, tokens=tokens, cost=cost, now=now)
    Run.objects.filter(pk=run.pk).update(
        actions_count=F("actions_count") + len(actions),
        failures_count=F("failures_count") + failures,
        input_tokens=F("input_tokens") + big(sum(a.input_tokens for a in actions)),
        output_tokens=F("output_tokens") + big(sum(a.output_tokens for a in actions)),
        cost_usd=F("cost_usd") + cost,
    )
    record(
        "actions.observed",
        actor=run.agent,
        about=run,
        summary=f"{len(actions)} observed",
        data={
            "actions": [
                {"id": str(a.pk), "tool": a.tool, "digest": bytes(a.digest).hex()} for a in actions
            ]
        },
    )
    if tripped is not None:
        facts, verdict, action = tripped
        breakers.trip(
            facts,
            verdict,
            agent_id=run.agent_id,
            run_id=run.pk,
            at=now,
            evidence={"item": action.item, "tool": action.tool, "action": str(action.pk)},
        )
    ring(f"run.{run.pk}", f"agent.{run.agent_id}", f"agents.{run.agent.team_id}", "agents")


def big(number: int) -> Value:
    """Django sends a bare number as four bytes, and what does not fit wraps around."""
    return Value(number, output_field=BigIntegerField())


def judge(run: Run, actions: list[Action], now: datetime) -> Any:
    """`(breaker, verdict, action)` of the first trip, or None. Nothing trips what is paused already."""
    if run.state != RunState.RUNNING or run.agent.state != AgentState.ACTIVE:
        return None
    so_far = Observed()
    seen: dict[tuple[str, str], int] = {}
    for action in actions:
        pair = (action.item, action.tool)
        so_far = so_far.and_then(
            failed=action.state == ActionState.FAILED,
            tokens=action.tokens,
            cost_usd=action.cost_usd,
            tool=action.tool,
            repeats=seen.get(pair, 0),
        )
        seen[pair] = seen.get(pair, 0) + 1
        found = first_trip(watching(run, action, now), judge_observed, so_far)
        if found is not None:
            return *found, action
    return None


def watching(run: Run, action: Action, now: datetime) -> list[BreakerFacts]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select agents_breakers_json(%s, %s, %s, %s, %s)",
            [run.agent_id, run.pk, action.item, action.tool, now],
        )
        return breakers_decoder.decode(cursor.fetchone()[0])


def count(
    run: Run, *, actions: int, failures: int, tokens: int, cost: Decimal, now: datetime
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select agents_breakers_json(%s, %s, null, null, %s)", [run.agent_id, run.pk, now]
        )
        of_run = counts_runs(breakers_decoder.decode(cursor.fetchone()[0]))
        cursor.execute(
            sql.COUNT_AGENT_AND_RUN if of_run else sql.COUNT_AGENT,
            {
                "agent": run.agent_id,
                "run": run.pk,
                "now": now,
                "count_actions": actions,
                "count_failures": failures,
                "count_tokens": tokens,
                "count_cost": cost,
            },
        )
