"""proposed → allowed → executing → succeeded | failed, all at once: what was done without asking"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from ..rules.breakers import Watch, loops, malformed_of, opening
from ..rules.breakers.gauges import is_slow, is_unusual
from ..rules.digest import item_of
from ..rules.facts import BreakerFacts, Event
from ..shapes import digest_of
from ..weighing import breakers_decoder, counted_for, first_of
from . import run as runs
from . import tripping

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
    breakers = watching(run, now)
    seen = judged(run, actions, breakers, now)
    Action.objects.bulk_create(actions)
    count(run, actions, seen, breakers, now)
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
    if seen.tripped is not None:
        action = seen.tripped_by
        tripping.opened(
            seen.tripped,
            (),
            seen.event,
            steps=seen.steps_before,
            agent_id=run.agent_id,
            run_id=run.pk,
            at=now,
            evidence={"item": action.item, "tool": action.tool, "action": str(action.pk)},
        )
    ring(f"run.{run.pk}", f"agent.{run.agent_id}", f"agents.{run.agent.team_id}", "agents")


def big(number: int) -> Value:
    """Django sends a bare number as four bytes, and what does not fit wraps around."""
    return Value(number, output_field=BigIntegerField())


@dataclass
class Judged:
    """What a report came to: the run's last steps, and what it opened."""

    steps: bytes
    slow: int = 0
    unusual: int = 0
    streak: str = ""
    tripped: Any = None
    tripped_by: Any = None
    event: Any = None
    steps_before: bytes = b""


def judged(run: Run, actions: list[Action], breakers: list[BreakerFacts], now: datetime) -> Judged:
    """Fold the actions over the windows as they were. Nothing trips what is paused already."""
    under_way = run.state == RunState.RUNNING and run.agent.state == AgentState.ACTIVE
    watch = Watch(breakers, steps=bytes(run.steps), items=items_before(run, actions, now))
    slow, unusual = first_of("slow", breakers), first_of("unusual", breakers)
    circles = any(b.condition == "loop" for b in breakers)
    seen = Judged(watch.steps)
    for action in actions:
        before, event = watch.steps, observed(action, circles=circles)
        action.fingerprint = event.fingerprint or None
        action.is_malformed = event.malformed
        found = opening(watch.step(event))
        seen.slow += slow is not None and is_slow(slow, event)
        seen.unusual += unusual is not None and is_unusual(unusual, event)
        seen.streak = "longer" if event.malformed else seen.streak if event.failed else "over"
        if found and under_way and seen.tripped is None:
            seen.tripped, seen.tripped_by, seen.event, seen.steps_before = (
                found,
                action,
                event,
                before,
            )
    seen.steps = watch.steps
    return seen


def observed(action: Action, *, circles: bool) -> Event:
    error = action.error or {}
    return Event(
        "observed",
        tool=action.tool,
        item=action.item,
        failed=action.state == ActionState.FAILED,
        malformed=malformed_of(error.get("type", "")),
        tokens=action.tokens,
        cost_usd=action.cost_usd,
        duration_ms=action.duration_ms,
        fingerprint=loops.fingerprint(
            tool=action.tool,
            subject=action.subject,
            arguments=action.arguments,
            result=error.get("message") if error else action.result,
        )
        if circles
        else b"",
    )


def items_before(run: Run, actions: list[Action], now: datetime) -> dict[tuple[str, str, str], int]:
    pairs = sorted({(a.item, a.tool) for a in actions})
    with connection.cursor() as cursor:
        cursor.execute(
            "select breaker::text, item, tool, n from agents_item_counts(%s, %s, %s, %s, %s, %s)",
            [
                *(run.agent_id, run.agent.team_id, run.pk),
                *([item for item, _ in pairs], [tool for _, tool in pairs], now),
            ],
        )
        return {(breaker, item, tool): n for breaker, item, tool, n in cursor.fetchall()}


def watching(run: Run, now: datetime) -> list[BreakerFacts]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select agents_breakers_json(%s, %s, %s, null, null, %s)",
            [run.agent_id, run.agent.team_id, run.pk, now],
        )
        return breakers_decoder.decode(cursor.fetchone()[0])


def count(
    run: Run, actions: list[Action], seen: Judged, breakers: list[BreakerFacts], now: datetime
) -> None:
    """Add the report to the windows, the budgets' accounts and the run's sums."""
    failures = sum(a.state == ActionState.FAILED for a in actions)
    tokens = sum(a.tokens for a in actions)
    cost = sum((a.cost_usd for a in actions), Decimal(0))
    with connection.cursor() as cursor:
        cursor.execute(
            sql.count_observed(counted_for(breakers)),
            {
                "agent": run.agent_id,
                "run": run.pk,
                "team": run.agent.team_id,
                "now": now,
                "count_actions": len(actions),
                "count_failures": failures,
                "count_slow": seen.slow,
                "count_unusual": seen.unusual,
                "count_tokens": tokens,
                "count_cost": cost,
            },
        )
        cursor.execute(
            "select agents_charge(%s, %s, %s, %s, %s, %s)",
            [run.agent_id, run.agent.team_id, run.pk, now, tokens, cost],
        )
    Run.objects.filter(pk=run.pk).update(
        actions_count=F("actions_count") + len(actions),
        failures_count=F("failures_count") + failures,
        input_tokens=F("input_tokens") + big(sum(a.input_tokens for a in actions)),
        output_tokens=F("output_tokens") + big(sum(a.output_tokens for a in actions)),
        cost_usd=F("cost_usd") + cost,
        seen_at=now,
        steps=seen.steps,
    )
