"""The SQL that corrects what actions cost after they were settled. Their agent is locked.

Sums follow in the order everybody follows: runs, actions, accounts, windows.
"""

from __future__ import annotations

CORRECT_RUNS = """
update agents_run r set cost_usd = r.cost_usd + d.more
  from unnest(%(runs)s::uuid[], %(more)s::numeric[]) as d (run, more)
 where r.id = d.run
"""

CORRECT_ACTIONS = """
update agents_action x set cost_usd = d.cost, cost_source = d.source
  from unnest(%(actions)s::uuid[], %(costs)s::numeric[], %(sources)s::text[]) as d (action, cost, source)
 where x.id = d.action
"""

LOCK_ACCOUNTS = """
select k.id from agents_account k where k.id = any(%(accounts)s::uuid[]) order by k.id for no key update
"""

CORRECT_ACCOUNTS = """
update agents_account k set spent = k.spent + d.more
  from unnest(%(accounts)s::uuid[], %(more)s::numeric[]) as d (account, more)
 where k.id = d.account and k.unit = 'usd'
"""

CALM_ACCOUNTS = """
update agents_account k
   set warned = case when k.reserved + k.spent >= b.limit + k.raised then k.warned
                     when (k.reserved + k.spent) * 100 >= (b.limit + k.raised) * 80 then least(k.warned, 80)
                     else 0 end
  from agents_budget b where b.id = k.budget_id and k.id = any(%(accounts)s::uuid[]) and k.warned > 0
"""
"""What sank below a share is told of again when it gets there again."""

LOCK_WINDOWS = """
select 1 from agents_bucket k
  join unnest(%(owners)s::uuid[], %(widths)s::int[], %(slots)s::int[]) as d (owner, width, slot)
    on (k.owner, k.width, k.slot) = (d.owner, d.width, d.slot)
 order by k.owner, k.width, k.slot for no key update of k
"""

CORRECT_WINDOWS = """
update agents_bucket k set cost_usd = greatest(k.cost_usd + d.more, 0)
  from unnest(%(owners)s::uuid[], %(widths)s::int[], %(slots)s::int[], %(more)s::numeric[])
       as d (owner, width, slot, more)
 where (k.owner, k.width, k.slot) = (d.owner, d.width, d.slot)
"""
"""Windows of a run or team begin when something looks at them, so they may never have held it: never below zero."""

NEXT_AGENT = """
select a.id, a.team_id as team from agents_agent a
 where a.id > %(after)s and (%(team)s::uuid is null or a.team_id = %(team)s) order by a.id limit 1
"""

_MATCHING = """
   x.state in ('succeeded', 'failed') and x.settled_at >= %(since)s
   and x.cost_source in ('', 'priced') and x.input_tokens + x.output_tokens > 0
   and case when %(begins)s then starts_with(lower(x.model), %(name)s) else lower(x.model) = %(name)s end
"""

TO_REPRICE = f"""
select x.id from agents_action x
 where x.agent_id = %(agent)s and x.id > %(after)s
   and x.id >= agents_first_id(%(since)s - interval '40 days') and {_MATCHING}
 order by x.id limit %(most)s
"""
"""Ids begin with the time; what was held for long is settled up to 31 days after it began."""

_PRICED = """
    x.id, x.agent_id, a.team_id, x.run_id, x.accounts, x.model, x.input_tokens, x.output_tokens, x.cached_tokens,
    x.cache_write_tokens, x.cost_usd, x.cost_source, x.settled_at, x.created_at
"""

AGAIN = f"""
select {_PRICED} from agents_action x join agents_agent a on a.id = x.agent_id
 where x.id = any(%(actions)s::uuid[]) and {_MATCHING} order by x.id
"""

ONE = f"select {_PRICED} from agents_action x join agents_agent a on a.id = x.agent_id where x.id = %(action)s"

PREVIEW = f"""
select {_PRICED} from agents_action x join agents_agent a on a.id = x.agent_id
 where (%(team)s::uuid is null or a.team_id = %(team)s)
   and x.id >= agents_first_id(%(since)s - interval '40 days') and {_MATCHING}
 order by x.id desc limit %(most)s
"""
