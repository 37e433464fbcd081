"""What a proposal costs when ten times as much was done before."""

from __future__ import annotations

import asyncio
import statistics
from typing import Any

from .figures import percentile
from .floor import Floor
from .people import agent
from .propose import load

AGENTS, BEFORE, TIMES = 10, 2_000, 10
SECONDS, ROUNDS = 3.0, 3
"""Of each agent: so many stored actions, then ten times as many, of the last hours and minutes."""

FILL = """
with new as (
    insert into agents_action (
        id, agent_id, run_id, call_id, kind, tool, subject, item, step, attempt, idempotency_key, arguments, digest,
        policy_version, rule, on_behalf_of, state, gated, code, state_reason, reason, currency, estimated_tokens,
        estimated_cost_usd, input_tokens, output_tokens, cost_usd, cost_source, model, result, trace_url, is_malformed,
        accounts, claim_id, decision, message, decided_by, created_at, claimed_at, settled_at)
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text || %(run)s::text), 1, 3)
            || '8' || substr(md5(%(run)s::text || n), 1, 15))::uuid,
           %(agent)s::uuid, %(run)s::uuid, 'old-' || n, 'tool', 'search', 'mail:' || n %% 500, 'mail:' || n %% 500, '', 1, '',
           '{"query": "where is my card", "limit": 10}', sha256(n::text::bytea), '0.1', '', '', 'succeeded', true, '',
           '', '', '', 300, 0.002, 200, 100, 0.0001, 'reported', 'm', '{"hits": 3}', '', false, '{}', 'c', '', '', '',
           at, at, at
      from (select n, now() - interval '1 hour' + n * interval '1 hour' / %(to)s as at
              from generate_series(%(from)s, %(to)s - 1) n) old
    returning created_at)
insert into agents_bucket as k (owner, width, slot, actions, finished, failures, slow, unusual, tokens, cost_usd)
select %(agent)s::uuid, w, floor(extract(epoch from created_at) / w)::int, count(*), count(*), 0, 0, 0, count(*) * 300,
       count(*) * 0.0001
  from new, (values (10), (3600)) widths (w) group by 2, 3
    on conflict (owner, width, slot) do update set actions = k.actions + excluded.actions,
       finished = k.finished + excluded.finished, tokens = k.tokens + excluded.tokens,
       cost_usd = k.cost_usd + excluded.cost_usd
"""


def measure(floor: Floor) -> dict[str, Any]:
    from agents.models import Action

    few = [agent(f"few-{n}") for n in range(AGENTS)]
    many = [agent(f"many-{n}") for n in range(AGENTS)]
    for cast, size in ((few, BEFORE), (many, BEFORE * TIMES)):
        for made, run, _ in cast:
            fill(str(made.pk), str(run.pk), size)
    vacuumed()
    middles: dict[str, list[float]] = {"few": [], "many": []}
    casts = {"few": few, "many": many}
    for name, cast in casts.items():
        round_of(floor, cast, f"{name}-warm")
    for number in range(ROUNDS):
        # In turn, so that a noisy neighbour meets both.
        for name, cast in casts.items():
            times = round_of(floor, cast, f"{name}-{number}")
            middles[name].append(percentile(times, 0.5))
    before, after = statistics.median(middles["few"]), statistics.median(middles["many"])
    return {
        "ratio": round(after / before, 3),
        "p50_ms_before": before,
        "p50_ms_after": after,
        "stored": Action.objects.count(),
    }


def round_of(floor: Floor, cast: list[Any], tag: str) -> list[float]:
    targets = [(f"/api/v1/runs/{run.pk}/actions", key) for _, run, key in cast]
    return asyncio.run(load(floor, targets, clients=4, seconds=SECONDS, tag=tag))


def fill(agent: str, run: str, size: int) -> None:
    """Actions and their windows, spread over the last hour."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(FILL, {"agent": agent, "run": run, "from": 0, "to": size})
        cursor.execute("update agents_run set actions_count = %s where id = %s", [size, run])


def vacuumed() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze agents_action")
        cursor.execute("vacuum analyze agents_bucket")
