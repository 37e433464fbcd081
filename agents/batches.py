"""The SQL that writes many actions at once, of several runs and agents, in one transaction.

Whoever runs it has locked the agents (in the order of their ids), then the runs. Actions go in by COPY: half of
what `insert … unnest` costs where there are many; the lock makes sure that nobody else adds the same calls meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from audit.arrays import array, binaries, flat

from . import prices
from .rules.done import Done

_COLUMNS = """
    id, agent_id, run_id, call_id, kind, tool, subject, item, step, attempt, arguments, digest, policy_version,
    on_behalf_of, state, gated, code, state_reason, input_tokens, output_tokens, cached_tokens, cost_usd, cost_source,
    model, result, error, duration_ms, trace_url, fingerprint, is_malformed, accounts, created_at, claimed_at, settled_at
"""
"""What only a proposal says stays as the table has it by default."""

COPY_ACTIONS = f"copy agents_action ({_COLUMNS}) from stdin (format csv, quote E'\\x07')"
"""Quoted by a character that hardly any text has, so that nearly no text has to be changed."""

ADD_ACTIONS = f"""
insert into agents_action ({_COLUMNS})
select d.id, d.agent, d.run, d.call, d.kind, d.tool, d.subject, d.item, d.step, d.attempt, d.arguments::jsonb,
       d.digest, '0.0', d.behalf, d.state, false, d.code, d.why, d.input, d.output, d.cached, d.cost, d.cost_source,
       d.model, d.result::jsonb, d.error::jsonb, d.duration, d.url, nullif(d.fingerprint, ''), d.malformed,
       d.accounts::uuid[], d.began, d.began, d.ended
  from unnest(
       %(id)s::uuid[], %(agent)s::uuid[], %(run)s::uuid[], %(call)s::text[], %(kind)s::text[], %(tool)s::text[],
       %(subject)s::text[], %(item)s::text[], %(step)s::text[], %(attempt)s::int[], %(arguments)s::text[],
       %(digest)s::bytea[], %(behalf)s::text[], %(state)s::text[], %(code)s::text[], %(why)s::text[], %(input)s::bigint[],
       %(output)s::bigint[], %(cached)s::bigint[], %(cost)s::numeric[], %(cost_source)s::text[], %(model)s::text[],
       %(result)s::text[], %(error)s::text[], %(duration)s::int[], %(url)s::text[], %(fingerprint)s::bytea[],
       %(malformed)s::bool[], %(accounts)s::text[], %(began)s::timestamptz[], %(ended)s::timestamptz[])
       as d (id, agent, run, call, kind, tool, subject, item, step, attempt, arguments,
             digest, behalf, state, code, why, input, output, cached, cost, cost_source, model,
             result, error, duration, url, fingerprint, malformed, accounts, began, ended)
"""
"""A few travel with what else is written; COPY would cost two trips of its own."""

CAREFULLY = """
select set_config(name, value, true)
  from (values ('lock_timeout', '3s'), ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'),
               ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('enable_material', 'off')) as settings (name, value)
"""
"""For this transaction: nobody waits for one agent for long, and every look-up goes by index. Plans are made once and
kept; those made while a table was small would read all of it, later on, for every batch."""

LOCK_AGENTS = """
select a.id, a.team_id, a.state,
       exists (select 1 from agents_breaker b
                where b.condition = 'often' and b.state <> 'disabled'
                  and (b.agent_id = a.id or b.team_id = a.team_id)) as is_judged_by_starts,
       exists (select 1 from agents_breaker b
                where b.condition = 'repeats' and b.team_id = a.team_id) as counts_in_team
  from agents_agent a where a.id = any(%(agents)s::uuid[]) order by a.id for no key update of a
"""

WORKING_KEYS = """
select hash from agents_agentkey where hash = any(%(keys)s::bytea[]) and revoked_at is null
"""

RUN_OWNERS = "select id, agent_id from agents_run where id = any(%(runs)s::uuid[])"

RUNS_BY_KEY = """
select r.id, r.agent_id, r.key
  from unnest(%(agents)s::uuid[], %(keys)s::text[]) as asked (agent, key),
lateral (select r.id, r.agent_id, r.key from agents_run r
          where r.agent_id = asked.agent and r.key between asked.key and asked.key and r.key <> ''
          order by r.key limit 1) r
"""
"""One look by index each: a plan made while the table was empty would read every run that has a key."""

LOCK_RUNS = """
select id, agent_id, name, key, state, on_behalf_of, steps, finished_at, trace_url,
       metadata ->> 'source' = 'telemetry' as is_ours, metadata ? 'session_id' as has_session
  from agents_run where id = any(%(runs)s::uuid[]) order by id for no key update
"""

BEGIN_RUNS = """
insert into agents_run (
       id, agent_id, name, key, on_behalf_of, state, state_reason, control_version, trace_url, metadata, error,
       started_at, finished_at, actions_count, failures_count, input_tokens, output_tokens, cost_usd, seen_at, steps)
select b.id, b.agent, b.name, b.key, '', case when b.over then 'terminated' else 'running' end,
       case when b.over then 'This agent was retired before.' else '' end, 1, b.url, b.metadata, '',
       b.started, case when b.over then %(now)s end, 0, 0, 0, 0, 0, %(now)s, ''
  from unnest(%(ids)s::uuid[], %(agents)s::uuid[], %(names)s::text[], %(keys)s::text[], %(urls)s::text[],
              %(metadata)s::jsonb[], %(started)s::timestamptz[], %(over)s::bool[])
       as b (id, agent, name, key, url, metadata, started, over)
"""

TELL_RUNS = """
update agents_run r
   set name = case when t.name = '' then r.name else t.name end,
       metadata = case when t.session = '' or r.metadata ? 'session_id' then r.metadata
                       else r.metadata || jsonb_build_object('session_id', t.session) end,
       trace_url = case when r.trace_url = '' then t.url else r.trace_url end
  from unnest(%(runs)s::uuid[], %(names)s::text[], %(sessions)s::text[], %(urls)s::text[])
       as t (run, name, session, url)
 where r.id = t.run
"""

FINISH_RUNS = """
update agents_run r
   set state = f.state, error = f.error, finished_at = f.ended, control_version = r.control_version + 1
  from unnest(%(runs)s::uuid[], %(states)s::text[], %(errors)s::text[], %(ended)s::timestamptz[])
       as f (run, state, error, ended)
 where r.id = f.run and r.state = 'running'
   and not exists (select 1 from agents_action x
                    where x.agent_id = r.agent_id and x.run_id = r.id and x.state in ('held', 'approved'))
returning r.id
"""

OWNERS = "select id, agent_id from agents_action where id = any(%(actions)s::uuid[])"

LINK = """
update agents_action x set trace_url = l.url
  from unnest(%(actions)s::uuid[], %(urls)s::text[]) as l (action, url)
 where x.id = l.action and x.trace_url = '' and l.url <> ''
"""

KNOWN_CALLS = """
select asked.run as run_id, asked.call as call_id, x.id
  from unnest(%(runs)s::uuid[], %(calls)s::text[]) as asked (run, call),
lateral (select x.id from agents_action x where x.run_id = asked.run and x.call_id = asked.call limit 1) x
"""

BREAKERS = """
select asked.run, found.breakers
  from unnest(%(agents)s::uuid[], %(teams)s::uuid[], %(runs)s::uuid[]) as asked (agent, team, run),
lateral agents_report_breakers(asked.agent, asked.team, asked.run, %(now)s, '') found
"""

COSTS = f"""
select ({prices.VERSION}) as prices,
       exists (select 1 from agents_budget where team_id = any(%(teams)s::uuid[])) as has_budgets
"""

_ITEMS = """
select b.id::text as breaker, n.run, i.item, i.tool, count(*)::int as tries
  from unnest(%(owners)s::uuid[], %(items)s::text[], %(tools)s::text[]) as i (owner, item, tool)
  join agents_breaker b on b.{owner} = i.owner and b.condition = 'repeats',
lateral (select case when b.scope = 'run' then x.run_id end as run
           from agents_action x
          where {whose} and x.item = i.item and x.tool = i.tool and x.state <> 'denied'
            and x.created_at > greatest(%(now)s - b.window, b.reset_at)
          order by x.created_at desc
          limit case when b.scope = 'run' then 10000 else least(ceil(b.limit + b.extra), 1e9)::int + 1 end) n
 group by 1, 2, 3, 4
"""
"""How often each item was worked on before, for breakers that count that. One index probe an item, whatever the
planner knows of the table: a plan is made once and kept, and to one made while the table was empty all indexes cost the
same. Only this one gives the order that is asked for; another would read all that the agent ever did."""

ITEMS_OF_AGENTS = _ITEMS.format(owner="agent_id", whose="x.agent_id = i.owner")
ITEMS_OF_TEAMS = _ITEMS.format(
    owner="team_id",
    whose="x.agent_id in (select a.id from agents_agent a where a.team_id = i.owner)",
)

USES = """
select u.agent_id, u.tool, case when u.is_known then 9e15::bigint else u.uses end as uses
  from unnest(%(agents)s::uuid[], %(tools)s::text[]) as asked (agent, tool)
  join agents_tooluse u on u.agent_id = asked.agent and u.tool = asked.tool
"""

CHARGE = """
select asked.run,
       agents_charge(asked.agent, asked.team, asked.run, %(now)s, asked.tokens, asked.cost) as accounts
  from unnest(%(agents)s::uuid[], %(teams)s::uuid[], %(runs)s::uuid[], %(tokens)s::bigint[],
              %(costs)s::numeric[]) as asked (agent, team, run, tokens, cost)
"""

BUDGETS = """
select asked.run, agents_budgets_json(asked.agent, asked.team, asked.run, %(now)s) as budgets
  from unnest(%(agents)s::uuid[], %(teams)s::uuid[], %(runs)s::uuid[]) as asked (agent, team, run)
"""

SLOT_COLUMNS = (
    *("owner", "width", "slot", "actions", "finished"),
    *("failures", "slow", "unusual", "tokens", "cost"),
)

COUNT = """
insert into agents_bucket as k (
       owner, width, slot, actions, finished, failures, slow, unusual, tokens, cost_usd)
select * from unnest(
       %(owner)s::uuid[], %(width)s::int[], %(slot)s::int[], %(actions)s::int[], %(finished)s::int[],
       %(failures)s::int[], %(slow)s::int[], %(unusual)s::int[], %(tokens)s::bigint[], %(cost)s::numeric[])
    on conflict (owner, width, slot) do update set
       actions = k.actions + excluded.actions, finished = k.finished + excluded.finished,
       failures = k.failures + excluded.failures, slow = k.slow + excluded.slow,
       unusual = k.unusual + excluded.unusual,
       tokens = k.tokens + excluded.tokens, cost_usd = k.cost_usd + excluded.cost_usd
"""

SUM_RUNS = """
update agents_run r
   set actions_count = r.actions_count + s.actions, failures_count = r.failures_count + s.failures,
       input_tokens = r.input_tokens + s.input, output_tokens = r.output_tokens + s.output,
       cost_usd = r.cost_usd + s.cost, seen_at = greatest(r.seen_at, %(now)s), steps = s.steps
  from unnest(%(runs)s::uuid[], %(actions)s::int[], %(failures)s::int[], %(inputs)s::bigint[],
              %(outputs)s::bigint[], %(costs)s::numeric[], %(steps)s::bytea[])
       as s (run, actions, failures, input, output, cost, steps)
 where r.id = s.run
"""

USED = """
insert into agents_tooluse as k (agent_id, tool, uses)
select * from unnest(%(agents)s::uuid[], %(tools)s::text[], %(uses)s::bigint[])
    on conflict (agent_id, tool) do update set uses = k.uses + excluded.uses
"""

STREAKS_OVER = (
    "update agents_streak set malformed = 0 where owner = any(%(owners)s::uuid[]) and malformed > 0"
)

STREAKS_LONGER = """
insert into agents_streak as k (owner, malformed)
select * from unnest(%(owners)s::uuid[], %(more)s::int[])
    on conflict (owner) do update set malformed = k.malformed + excluded.malformed,
       began_at = case when k.malformed = 0 then excluded.began_at else k.began_at end
"""


class Row(NamedTuple):
    """One action, and what else its row says."""

    done: Done
    id: str
    agent: str
    run: str
    on_behalf_of: str
    accounts: str


def added(rows: Sequence[Row]) -> dict[str, str]:
    """The parameters of ADD_ACTIONS: arrays, one of each column."""
    done = [row.done for row in rows]
    return {
        "id": flat(row.id for row in rows),
        "agent": flat(row.agent for row in rows),
        "run": flat(row.run for row in rows),
        "call": array(one.call_id for one in done),
        "kind": array(one.kind for one in done),
        "tool": array(one.tool for one in done),
        "subject": array(one.subject for one in done),
        "item": array(one.item for one in done),
        "step": array(one.step for one in done),
        "attempt": flat(one.attempt for one in done),
        "arguments": array(one.arguments_json for one in done),
        "digest": binaries(one.digest for one in done),
        "behalf": array(row.on_behalf_of for row in rows),
        "state": flat("failed" if one.failed else "succeeded" for one in done),
        "code": array(one.code for one in done),
        "why": array(one.why for one in done),
        "input": flat(one.input_tokens for one in done),
        "output": flat(one.output_tokens for one in done),
        "cached": flat(one.cached_tokens for one in done),
        "cost": flat(one.cost_usd or 0 for one in done),
        "cost_source": array(one.cost_source for one in done),
        "model": array(one.model for one in done),
        "result": array(one.result_json for one in done),
        "error": array(one.error_json for one in done),
        "duration": flat("NULL" if one.duration_ms is None else one.duration_ms for one in done),
        "url": array(one.trace_url for one in done),
        "fingerprint": binaries(one.fingerprint for one in done),
        "malformed": flat(one.malformed for one in done),
        "accounts": array(row.accounts for row in rows),
        "began": array(written(one.started_us) for one in done),
        "ended": array(written(one.ended_us) for one in done),
    }


def line(row: Row) -> str:
    """In COPY's CSV, in the order of COPY_ACTIONS."""
    written = quoted(row)
    nulls = (row.done.result_json is None) + (row.done.error_json is None)
    return written if written.count("\a") == QUOTES - 2 * nulls else quoted(doubled(row))


QUOTES = 30
"""In a line without NULL. More, and a text has some of its own."""


def quoted(row: Row) -> str:
    one, id, agent, run, on_behalf_of, accounts = row
    started = written(one.started_us)
    result = "" if one.result_json is None else f"\a{one.result_json}\a"
    error = "" if one.error_json is None else f"\a{one.error_json}\a"
    return (
        f"{id},{agent},{run},\a{one.call_id}\a,{one.kind},\a{one.tool}\a,\a{one.subject}\a,\a{one.item}\a,"
        f"\a{one.step}\a,{one.attempt},\a{one.arguments_json}\a,"
        f"\\x{one.digest.hex()},0.0,\a{on_behalf_of}\a,{'failed' if one.failed else 'succeeded'},f,"
        f"\a{one.code}\a,\a{one.why}\a,{one.input_tokens},{one.output_tokens},"
        f"{one.cached_tokens},{one.cost_usd or 0},\a{one.cost_source}\a,\a{one.model}\a,"
        f"{result},{error},{'' if one.duration_ms is None else one.duration_ms},\a{one.trace_url}\a,"
        f"{binary(one.fingerprint)},{'t' if one.malformed else 'f'},\a{accounts}\a,"
        f"{started},{started},{written(one.ended_us)}\n"
    )


def written(us: int) -> str:
    """The moment that many microseconds after 1970, as PostgreSQL reads it."""
    seconds, rest = divmod(us, 10**6)
    return f"{second(seconds)}.{rest:06}+00"


@lru_cache(1024)
def second(since_1970: int) -> str:
    return f"{datetime.fromtimestamp(since_1970, UTC):%Y-%m-%d %H:%M:%S}"


def doubled(row: Row) -> Row:
    """With the quotes of its own texts as COPY wants them."""
    texts = ((name, getattr(row.done, name)) for name in row.done.__struct_fields__)
    twice = {name: text.replace("\a", "\a\a") for name, text in texts if isinstance(text, str)}
    return row._replace(
        done=replace(row.done, **twice), on_behalf_of=row.on_behalf_of.replace("\a", "\a\a")
    )


def binary(value: bytes) -> str:
    return f"\\x{value.hex()}" if value else ""
