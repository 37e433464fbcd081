"""The SQL that the hot door and the ordinary verbs share, so that both do exactly the same.

Facts are read under lock by the functions of `sql/facts.sql`; these statements write what the rules
made of them. Named parameters throughout.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

ACTION_FACTS = "select * from agents_action_facts(%(key)s, %(action)s)"

ACTION_JSON = "select agents_action_json(x)::text from agents_action x where x.id = %(action)s"

POLICY_DOCUMENTS = """
select id, document::text as document from agents_policyversion where id = any(%(ids)s::uuid[])
"""

CALENDAR = """
select time_zone, days, opens, closes, country, subdivision, holidays
  from people_calendar where team_id = %(team)s
"""

CONTROL_JSON = "select agents_control_json(%(run)s)::text"

_OWNERS = {"agent": "%(agent)s::uuid", "run": "%(run)s::uuid", "team": "%(team)s::uuid"}


class Counted(NamedTuple):
    """What has to be kept beside the agent's own windows, because something looks at it."""

    run: bool = False
    team: bool = False
    tools: bool = False
    accounts: bool = False
    if_room: bool = False
    """The accounts were read without a lock: reserve only where there is room, and nobody is to be told."""
    streak: str = ""
    """`longer` or `over`: malformed outputs in a row."""

    def owners(self) -> str:
        """Rows `(owner, width)` of the windows that count this."""
        rows = ["(%(agent)s::uuid, 10)", "(%(agent)s, 3600)"]
        for name in ("run", "team"):
            if getattr(self, name):
                rows += [f"({_OWNERS[name]}, 10)", f"({_OWNERS[name]}, 3600)"]
        return ", ".join(rows)


# What was reserved leaves the slot it was reserved in, what it came to enters the present one. Leaving
# the present one instead would lend today's window what an earlier one had held.
_SETTLE = """
    insert into agents_bucket as k (
           owner, width, slot, actions, finished, failures, slow, unusual, tokens, cost_usd)
    select o, w, floor(extract(epoch from at) / w)::int, 0, sum(finished), sum(failures), sum(slow), 0,
           sum(tokens), sum(cost)
      from (values {owners}) as owners (o, w),
           (select %(now)s::timestamptz, 1, %(count_failures)s::int, %(count_slow)s::int,
                   %(count_tokens)s::bigint, %(count_cost)s::numeric
             union all
            select x.created_at, 0, 0, 0, -x.estimated_tokens, -x.estimated_cost_usd
              from agents_action x where x.id = %(action)s) as parts (at, finished, failures, slow, tokens, cost)
     group by 1, 2, 3 order by 1, 2, 3
        on conflict (owner, width, slot) do update set
           finished = k.finished + excluded.finished, failures = k.failures + excluded.failures,
           slow = k.slow + excluded.slow,
           tokens = k.tokens + excluded.tokens, cost_usd = k.cost_usd + excluded.cost_usd
"""

_OBSERVE = """
    insert into agents_bucket as k (
           owner, width, slot, actions, finished, failures, slow, unusual, tokens, cost_usd)
    select o, w, floor(extract(epoch from %(now)s::timestamptz) / w)::int, %(count_actions)s,
           %(count_actions)s, %(count_failures)s, %(count_slow)s, %(count_unusual)s, %(count_tokens)s,
           %(count_cost)s
      from (values {owners}) as owners (o, w)
        on conflict (owner, width, slot) do update set
           actions = k.actions + excluded.actions, finished = k.finished + excluded.finished,
           failures = k.failures + excluded.failures, slow = k.slow + excluded.slow,
           unusual = k.unusual + excluded.unusual,
           tokens = k.tokens + excluded.tokens, cost_usd = k.cost_usd + excluded.cost_usd
"""


@cache
def count_observed(counted: Counted) -> str:
    """Add to the windows what was done without asking."""
    return _OBSERVE.format(owners=counted.owners())


# A team's windows are shared by agents, and locked in the order in which proposals write them.
RELEASE = """
with locked as (
    select k.owner, k.width, k.slot, x.estimated_tokens as tokens, x.estimated_cost_usd as cost
      from agents_bucket k, agents_action x
     where x.id = %(action)s and k.owner in (x.agent_id, x.run_id, %(team)s)
       and k.slot = floor(extract(epoch from x.created_at) / k.width)::int and k.width in (10, 3600)
     order by k.owner, k.width, k.slot for no key update of k)
update agents_bucket k set tokens = k.tokens - l.tokens, cost_usd = k.cost_usd - l.cost
  from locked l where (k.owner, k.width, k.slot) = (l.owner, l.width, l.slot)
"""

PRICES = """
select id, team_id as team, name, input, output, cached_input, cache_write, withdrawn, valid_from
  from agents_price
"""

# Accounts may be shared by agents. Everybody locks them in the order of their ids, and before windows, which a
# team may share, too.
_ACCOUNTS_OF = """
    select k.id from agents_account k
     where k.id = any((select x.accounts from agents_action x where x.id = %(action)s)::uuid[])
     order by k.id for no key update
"""

LOCK_ACCOUNTS = """
select k.id from agents_account k
 where k.id in (select unnest(x.accounts) from agents_action x where x.id = any(%(actions)s::uuid[]))
 order by k.id for no key update
"""

RELEASE_ACCOUNTS = f"""
with locked as ({_ACCOUNTS_OF}), action as (
    update agents_action x set accounts = '{{}}' where x.id = %(action)s
    returning x.estimated_tokens as tokens, x.estimated_cost_usd as cost)
update agents_account k
   set reserved = k.reserved - case k.unit when 'tokens' then action.tokens else action.cost end
  from locked, action where k.id = locked.id
"""

_SPEND = f"""
    update agents_account k
       set reserved = k.reserved - case k.unit when 'tokens' then x.estimated_tokens
                                               else x.estimated_cost_usd end,
           spent = k.spent + case k.unit when 'tokens' then %(count_tokens)s::bigint
                                         else %(count_cost)s::numeric end
      from ({_ACCOUNTS_OF}) locked, agents_action x, agents_budget b
     where k.id = locked.id and x.id = %(action)s and b.id = k.budget_id
    returning k.id, k.warned < {{share}} as is_low
"""

ASSUME = f"""
with spent as (
    update agents_account k
       set reserved = k.reserved - case k.unit when 'tokens' then x.estimated_tokens else x.estimated_cost_usd end,
           spent = k.spent + case k.unit when 'tokens' then x.estimated_tokens else x.estimated_cost_usd end
      from ({_ACCOUNTS_OF}) locked, agents_action x
     where k.id = locked.id and x.id = %(action)s
    returning k.id),
summed as (
    update agents_run r
       set cost_usd = r.cost_usd + x.estimated_cost_usd, input_tokens = r.input_tokens + x.estimated_tokens
      from agents_action x where x.id = %(action)s and r.id = x.run_id)
update agents_action x
   set cost_usd = x.estimated_cost_usd, input_tokens = x.estimated_tokens, cost_source = 'assumed'
 where x.id = %(action)s
"""
"""What it was reserved for is what it is taken to have cost."""

SHARE = """
    case when k.reserved + k.spent >= b.limit + k.raised then 100
         when (k.reserved + k.spent) * 100 >= (b.limit + k.raised) * 80 then 80 else 0 end
"""
"""How much of a budget is used, in the shares that people are told of; as in `rules/budgets.py`."""

LOW = f"""
with reached as (
    select k.id, b.name, b.team_id, b.unit, b.period, {SHARE} as share, b.limit + k.raised as room,
           k.reserved + k.spent as used,
           case b.scope when 'agent' then k.owner
                        when 'run' then (select r.agent_id from agents_run r where r.id = k.owner) end as agent
      from agents_account k join agents_budget b on b.id = k.budget_id
     where k.id = any(%(accounts)s::uuid[]) and {SHARE} > k.warned
     order by k.id for no key update of k),
told as (update agents_account k set warned = reached.share from reached where k.id = reached.id)
select * from reached order by id
"""
"""Accounts that reached a share nobody was told of yet; now somebody is."""

_STREAK = {
    "longer": """
    insert into agents_streak as k (owner, malformed, began_at)
    select o, 1, %(now)s from unnest(array[%(agent)s::uuid, %(run)s::uuid, %(team)s::uuid]) as o
        on conflict (owner) do update set malformed = k.malformed + 1,
           began_at = case when k.malformed = 0 then excluded.began_at else k.began_at end
""",
    "over": """
    update agents_streak set malformed = 0
     where owner in (%(agent)s::uuid, %(run)s::uuid, %(team)s::uuid) and malformed > 0
""",
}

_ENTRY = """
entry as (
    insert into audit_line (at, kind, actor, about, team, agent, run)
    values (%(now)s, %(entry_kind)s, 'agent:' || %(agent)s::uuid, 'agents.action:' || %(action)s::uuid,
            %(team)s::uuid::text, %(agent)s::text, %(run)s::uuid::text)
    returning id, at),
payload as (
    insert into audit_payload (id, at, body)
    select id, at, (jsonb_build_object('data', %(data)s::jsonb, 'summary', %(summary)s::text)
                    || case when %(source)s::text = '' then '{}'
                            else jsonb_build_object('source', %(source)s::jsonb) end)::text from entry),
pending as (insert into audit_pending (id) select id from entry)"""
"""As `audit.record` writes it; `source` is `audit.source.text()`."""

WRITE_CLAIM = f"""
with written as (
    update agents_action x set state = 'executing', claim_id = %(claim_id)s, claimed_at = %(now)s,
           lease_until = %(lease_until)s, expires_at = case when decision = '' then null else expires_at end
     where x.id = %(action)s and (x.state <> 'allowed' or not exists (
           select 1 from agents_account k join agents_budget b on b.id = k.budget_id
            where k.id = any(x.accounts)
              and (k.reserved + k.spent > b.limit + k.raised
                   or k.reserved + k.spent >= b.limit + k.raised
                      + case k.unit when 'tokens' then x.estimated_tokens else x.estimated_cost_usd end)))
    returning agents_action_json(x)::text as action_json),
seen as (
    update agents_run set seen_at = %(now)s
     where id = %(run)s and (seen_at is null or seen_at < %(now)s - interval '5 s')),
{_ENTRY}
select coalesce((select action_json from written), agents_step_aside()) as action_json
"""
"""What was let through while there was room is not begun when its budget is used up without it: who reserves
nothing could keep any number of such. A person's yes stands."""

HEARTBEAT = """
with caller as (
    select k.agent_id from agents_agentkey k where k.hash = %(key)s and k.revoked_at is null),
seen as (
    update agents_run r set seen_at = clock_timestamp() from caller
     where r.id = %(run)s and r.agent_id = caller.agent_id
       and (r.state = 'running' or r.state = 'paused'))
select caller.agent_id, (select agents_control_json(r.id)::text from agents_run r
                          where r.id = %(run)s and r.agent_id = caller.agent_id) as control
  from caller
"""
"""A sign of life. One statement and no lock but the run's own: it changes nothing that anything is decided by."""

WRITE_RELEASE = f"""
with written as (
    update agents_action
       set state = case when decision = '' then 'allowed' else 'approved' end,
           claim_id = '', claimed_at = null, lease_until = null,
           expires_at = case when decision = '' then %(kept_until)s else expires_at end
     where id = %(action)s
    returning agents_action_json(agents_action)::text as action_json),
{_ENTRY}
select action_json from written
"""

_SETTLE_ACTION = """
    update agents_action
       set state = %(state)s, settled_at = %(now)s, input_tokens = %(input_tokens)s,
           output_tokens = %(output_tokens)s, cached_tokens = %(cached_tokens)s,
           cache_write_tokens = %(cache_write_tokens)s, cost_usd = %(cost_usd)s, cost_source = %(cost_source)s,
           model = case when %(model)s = '' then model else %(model)s end,
           trace_url = case when %(trace_url)s = '' then trace_url else %(trace_url)s end,
           result = %(result)s::jsonb, error = %(error)s::jsonb, duration_ms = %(duration_ms)s,
           report_digest = %(report_digest)s, fingerprint = %(fingerprint)s,
           is_malformed = %(malformed)s, lease_until = null
     where id = %(action)s
    returning agents_action_json(agents_action)::text as action_json
"""

_SUM_RUN = """
    update agents_run
       set failures_count = failures_count + %(count_failures)s,
           input_tokens = input_tokens + %(input_tokens)s,
           output_tokens = output_tokens + %(output_tokens)s,
           cost_usd = cost_usd + %(cost_usd)s, seen_at = %(now)s,
           steps = coalesce(%(steps)s::bytea, steps)
     where id = %(run)s
"""


@cache
def write_settlement(counted: Counted) -> str:
    """Outcome, entry, windows, the run's sums and what else is counted, in one statement.

    `low` names the accounts that reached a share of their budget that people are still to be told of.
    """
    parts = [
        f"written as ({_SETTLE_ACTION})",
        _ENTRY,
        f"counted as ({_SETTLE.format(owners=counted.owners())})",
        f"summed as ({_SUM_RUN})",
    ]
    low = "null"
    if counted.accounts:
        parts.append(f"spent as ({_SPEND.format(share=SHARE)})")
        low = "(select array_agg(id order by id) from spent where is_low)"
    if counted.streak:
        parts.append(f"streak as ({_STREAK[counted.streak]})")
    return f"with {', '.join(parts)} select action_json, {low} as low from written"
