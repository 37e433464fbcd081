"""An outcome: what it costs, which breakers it opens, and what writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from audit import source
from audit.errors import Conflict

from ..rules.breakers import Tripped, Watch, loops, malformed_of, opening, shadowed
from ..rules.breakers.gauges import ends_row, is_slow
from ..rules.facts import BreakerFacts, Event
from ..rules.prices import PriceBook
from ..shapes import Settle, checked_money
from ..statements import write_settlement
from .facts import (
    Row,
    bound,
    breakers_decoder,
    counted_for,
    encode,
    first_of,
)
from .proposals import (
    kept_until,
)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to write at an outcome. With `needs_care` the ordinary verb must do it."""

    params: dict[str, Any]
    statement: str
    event: Event
    steps: bytes
    """The run's fingerprints before this one."""
    trip: Tripped | None = None
    shadows: tuple[Tripped, ...] = ()
    needs_care: bool = False


def weigh_settlement(
    row: Row, action: Any, request: Settle, prices: PriceBook
) -> Settlement | None:
    """Judge an outcome; None when this very report was answered before."""
    checked_money(request.cost_usd, "cost_usd")
    digest = request.report_digest()
    if row.state in ("succeeded", "failed"):
        if row.report_digest is not None and bytes(row.report_digest) == digest:
            return None
        raise Conflict(f"This action {row.state} already.", code="already_settled")
    if row.state not in ("executing", "unknown"):
        if request.outcome == "interrupted" and row.state in ("allowed", "approved"):
            return None
        raise Conflict(f"This action is {row.state}; claim it first.", code="not_claimed")
    if request.claim_id and request.claim_id != row.claim_id:
        raise Conflict("Another process holds the claim.", code="not_your_claim")
    if request.outcome == "interrupted" and row.state == "unknown":
        raise Conflict("This action's claim ran out already.", code="not_claimed")
    request, source = priced(row, request, prices)
    params = settlement_params(row, action, request, digest) | {"cost_source": source}
    return settlement(row, request, params)


def priced(row: Row, request: Settle, prices: PriceBook) -> tuple[Settle, str]:
    """The report with what it cost, and where that comes from. What the agent says counts; else the table does."""
    if request.cost_usd:
        return request, "reported"
    if not prices or not request.input_tokens + request.output_tokens:
        return request, ""
    cost = prices.price(
        request.model or row.model,
        request.input_tokens,
        request.output_tokens,
        request.cached_tokens,
        cache_write=request.cache_write_tokens,
        at=row.now_at,
        team=row.team_id,
    )
    if cost is None:
        return request, ""
    return msgspec.structs.replace(request, cost_usd=cost), "priced"


def settlement(row: Row, request: Settle, params: dict[str, Any]) -> Settlement:
    """Judge the outcome by the breakers that watch the run; an interruption is none."""
    breakers = breakers_decoder.decode(row.breakers)
    steps, event = bytes(row.steps or b""), outcome_event(row, request, breakers)
    watch = Watch(breakers, steps=steps)
    found = watch.step(event) if request.outcome != "interrupted" else []
    trip, shadows = opening(found), tuple(shadowed(found))
    streak = "longer" if event.malformed else "over" if ends_row(event) else ""
    watched = first_of("slow", breakers)
    return Settlement(
        params=params
        | {
            "count_slow": int(watched is not None and is_slow(watched, event)),
            "fingerprint": event.fingerprint or None,
            "steps": watch.steps if event.fingerprint else None,
            "malformed": event.malformed,
        },
        statement=write_settlement(
            counted_for(breakers, accounts=bool(row.accounts), streak=streak)
        ),
        event=event,
        steps=steps,
        trip=trip,
        shadows=shadows,
        needs_care=bool(found) or row.state == "unknown" or row.probe_of is not None,
    )


def outcome_event(row: Row, request: Settle, breakers: list[BreakerFacts]) -> Event:
    """What breakers judge of an outcome. Fingerprints are only made where one looks for circles."""
    circles = any(b.condition == "loop" for b in breakers)
    result = bytes(request.result)
    return Event(
        "settled",
        tool=row.tool,
        failed=request.outcome == "failed",
        malformed=request.error is not None and malformed_of(request.error.type, row.kind),
        tokens=request.input_tokens + request.output_tokens - row.estimated_tokens,
        cost_usd=request.cost_usd - row.estimated_cost_usd,
        duration_ms=duration_of(row, request),
        fingerprint=loops.fingerprint(
            tool=row.tool,
            subject=row.subject,
            arguments=msgspec.json.decode(row.arguments),
            result=request.error.message if request.error else msgspec.json.decode(result),
        )
        if circles
        else b"",
        kind=row.kind,
        at=row.now_at,
        reserved_tokens=row.estimated_tokens,
        reserved_cost_usd=row.estimated_cost_usd,
        reserved_s=(row.now_at - row.created_at).total_seconds(),
    )


def duration_of(row: Row, request: Settle) -> int | None:
    """As reported; else since it was claimed, unless its claim ran out: it may have ended long before it was told."""
    if request.duration_ms is not None or row.claimed_at is None or row.state != "executing":
        return request.duration_ms
    took: timedelta = row.now_at - row.claimed_at
    return took // timedelta(milliseconds=1)


def settlement_params(row: Row, action: Any, request: Settle, digest: bytes) -> dict[str, Any]:
    """Parameters of `write_settlement` and WRITE_RELEASE that the request gives."""
    failed = request.outcome == "failed"
    result = bytes(request.result)
    return {
        "agent": row.agent_id,
        "team": row.team_id,
        "run": row.run_id,
        "action": action,
        "now": row.now_at,
        "state": request.outcome,
        "input_tokens": request.input_tokens,
        "output_tokens": request.output_tokens,
        "cost_usd": request.cost_usd,
        "cached_tokens": request.cached_tokens,
        "cache_write_tokens": request.cache_write_tokens,
        "kept_until": kept_until(row.now_at, row.estimated_tokens, row.estimated_cost_usd),
        "model": request.model,
        "trace_url": request.trace_url,
        "result": None if result == b"null" else result.decode(),
        "error": None if request.error is None else encode(request.error).decode(),
        "duration_ms": duration_of(row, request),
        "report_digest": digest,
        "count_failures": int(failed),
        "count_tokens": request.input_tokens + request.output_tokens,
        "count_cost": request.cost_usd,
        "entry_kind": f"action.{request.outcome}",
        "summary": row.tool,
        "source": source.text(),
        "data": encode(
            {
                "tool": row.tool,
                "input_tokens": request.input_tokens,
                "output_tokens": request.output_tokens,
                "cost_usd": str(request.cost_usd),
                "was": row.state,
                **bound(row),
            }
        ).decode(),
    }
