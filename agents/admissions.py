"""How admissions and refusals are written: any number of them, each of another agent, by one statement.

What agents share (accounts of budgets, windows of a team) is summed up first and locked in the one order that
everybody follows, accounts before windows: two who write at once wait for each other, they never block each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from .shapes import Proposed
from .statements import SHARE, Counted

FACTS = """
select * from agents_admission_facts(
    %(keys)s, %(runs)s::uuid[], %(calls)s, %(idempotency)s, %(items)s, %(tools)s, %(lock)s, %(wait)s)
"""


def facts_wanted(asked: Iterable[tuple[bytes, UUID, Proposed]]) -> dict[str, Any]:
    """Parameters of `FACTS` for proposals given as key, run and proposal; `lock` and `wait` are still to be said."""
    keys, runs, proposals = zip(*asked, strict=True)
    return {
        "keys": list(keys),
        "runs": list(runs),
        "calls": [p.request.call_id for p in proposals],
        "idempotency": [p.request.idempotency_key for p in proposals],
        "items": [p.item for p in proposals],
        "tools": [p.request.tool for p in proposals],
    }


COLUMNS = {
    **dict.fromkeys(("id", "agent_id", "run_id", "revises_id", "probe_of_id"), "uuid"),
    **dict.fromkeys(("call_id", "kind", "tool", "subject", "item", "step", "reason"), "text"),
    **dict.fromkeys(("idempotency_key", "policy_version", "rule", "on_behalf_of"), "text"),
    **dict.fromkeys(("state", "code", "state_reason", "currency", "trace_url", "claim_id"), "text"),
    **dict.fromkeys(("attempt", "probe_generation"), "int"),
    **dict.fromkeys(("arguments", "requirement", "resume"), "jsonb"),
    "amount": "numeric",
    "estimated_cost_usd": "numeric(18, 6)",  # as it is kept: what is summed up here is taken back one by one
    **dict.fromkeys(("created_at", "claimed_at", "lease_until", "expires_at"), "timestamptz"),
    "estimated_tokens": "bigint",
    "digest": "bytea",
    "accounts": "uuid[]",
}
"""Columns of `agents_action` that an admission brings along."""

BESIDE = {
    "team_id": "uuid",
    **dict.fromkeys(("entry_kind", "entry"), "text"),
    **dict.fromkeys(("is_admitted", "is_counted", "of_run", "of_team", "of_tools"), "boolean"),
    "unusual": "int",
}
"""What is written elsewhere: the entry (kind and payload), and where it is counted as what."""

_NAMES = ", ".join(COLUMNS)

_GIVEN = f"""given as materialized (
    select * from json_to_recordset(%(rows)s::json)
        as g ({", ".join(f"{name} {type_}" for name, type_ in (COLUMNS | BESIDE).items())}))"""

_WRITTEN = f"""written as (
    insert into agents_action ({_NAMES}, gated, input_tokens, output_tokens, cost_usd,
                               cost_source, model, is_malformed, decision, message, decided_by)
    select {_NAMES}, true, 0, 0, 0, '', '', false, '', '', '' from given
    returning id, agents_action_json(agents_action)::text as action_json)"""

_TOLD = """entry as (
    select nextval('audit_line_id_seq') as number, given.* from given),
line as (
    insert into audit_line (id, at, kind, actor, about, team, agent, run)
    select number, created_at, entry_kind, 'agent:' || agent_id, 'agents.action:' || id,
           team_id::text, agent_id::text, run_id::text from entry),
payload as (
    insert into audit_payload (id, at, body) select number, created_at, (entry::jsonb)::text from entry),
pending as (insert into audit_pending (id) select number from entry)"""
"""As `audit.record` writes it."""

_COUNTED = """counted as (
    insert into agents_bucket as k (
           owner, width, slot, actions, finished, failures, slow, unusual, tokens, cost_usd)
    select o.owner, o.width, floor(extract(epoch from g.created_at) / o.width)::int,
           count(*) filter (where g.is_admitted), 0, 0, 0, sum(g.unusual),
           coalesce(sum(g.estimated_tokens) filter (where g.is_admitted), 0),
           coalesce(sum(g.estimated_cost_usd) filter (where g.is_admitted), 0)
      from given g, lateral (values {owners}) as o (owner, width)
     where g.is_counted and o.owner is not null
     group by 1, 2, 3 order by 1, 2, 3
        on conflict (owner, width, slot) do update set
           actions = k.actions + excluded.actions, unusual = k.unusual + excluded.unusual,
           tokens = k.tokens + excluded.tokens, cost_usd = k.cost_usd + excluded.cost_usd)"""

_SUMMED = """summed as (
    update agents_run r set actions_count = r.actions_count + 1,
           seen_at = (select g.created_at from given g where g.run_id = r.id)
     where r.id = any(array(select g.run_id from given g where g.is_admitted)))"""

_USED = """used as (
    insert into agents_tooluse as k (agent_id, tool, uses)
    select g.agent_id, t.tool, 1 from given g, lateral (values (''), (g.tool)) as t (tool)
     where g.is_admitted and g.of_tools order by 1, 2
        on conflict (agent_id, tool) do update set uses = k.uses + 1)"""

_WANTED = """wanted as (
    select a.account, sum(g.estimated_tokens) as tokens, sum(g.estimated_cost_usd) as cost
      from given g, lateral unnest(g.accounts) as a (account)
     group by a.account)"""

_TAKEN = "case k.unit when 'tokens' then wanted.tokens else wanted.cost end"

_RESERVED = f"""reserved as (
    update agents_account k set reserved = k.reserved + {_TAKEN}
      from wanted where k.id = wanted.account)"""

_RESERVED_IF_ROOM = f"""reserved as (
    update agents_account k set reserved = k.reserved + {_TAKEN}
      from (select a.id from agents_account a where a.id in (select account from wanted)
             order by a.id for no key update) locked, wanted, agents_budget b
     where k.id = locked.id and wanted.account = k.id and b.id = k.budget_id
       and k.reserved + k.spent < b.limit + k.raised
       and k.reserved + k.spent + {_TAKEN} <= b.limit + k.raised
    returning k.warned >= {SHARE} as is_told)"""
"""Accounts shared by agents are locked by this statement and freed by the commit that travels with it: between
reading and writing, others would wait for us to think."""


@cache
def write_admissions(counted: Counted) -> str:
    """Actions, entries, windows and what else is counted. Answers with `id`, `action_json` of each."""
    parts = [_GIVEN, _WRITTEN, _TOLD, _COUNTED.format(owners=_owners(counted)), _SUMMED]
    told = "action_json"
    if counted.tools:
        parts.append(_USED)
    if counted.accounts and counted.if_room:
        parts += [_WANTED, _RESERVED_IF_ROOM]
        told = (
            "case when (select count(*) from reserved where is_told) = (select count(*) from wanted)"
            " then action_json else agents_step_aside() end as action_json"
        )
    elif counted.accounts:
        parts += [_WANTED, _RESERVED]
    return f"with {', '.join(parts)} select id, {told} from written"


def _owners(counted: Counted) -> str:
    owners = ["g.agent_id"]
    owners += ["case when g.of_run then g.run_id end"] if counted.run else []
    owners += ["case when g.of_team then g.team_id end"] if counted.team else []
    return ", ".join(f"({owner}, {width})" for owner in owners for width in (10, 3600))


def all_of(each: Iterable[Counted]) -> Counted:
    """What has to be kept for some of them; their rows say for which."""
    rows = list(each)
    return Counted(
        run=any(c.run for c in rows),
        team=any(c.team for c in rows),
        tools=any(c.tools for c in rows),
        accounts=any(c.accounts for c in rows),
        if_room=any(c.if_room for c in rows),
    )
