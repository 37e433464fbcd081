"""What must always hold of budgets, recomputed from the actions themselves: `manage.py budget check`, and every test."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import connection

ACCOUNTS = """
with sums as (
    select k as account,
           sum(case when x.gated and x.state in ('allowed', 'held', 'approved', 'executing', 'unknown')
                    then x.estimated_tokens else 0 end) as reserved_tokens,
           sum(case when x.gated and x.state in ('allowed', 'held', 'approved', 'executing', 'unknown')
                    then x.estimated_cost_usd else 0 end) as reserved_cost,
           sum(case when x.state in ('succeeded', 'failed') then x.input_tokens + x.output_tokens else 0 end)
               as spent_tokens,
           sum(case when x.state in ('succeeded', 'failed') then x.cost_usd else 0 end) as spent_cost
      from agents_action x, unnest(x.accounts) k group by k)
select k.id, b.name, k.reserved, k.spent, e.reserved as expected_reserved, e.spent as expected_spent
  from agents_account k join agents_budget b on b.id = k.budget_id
  left join sums s on s.account = k.id,
  lateral (select coalesce(case k.unit when 'tokens' then s.reserved_tokens else s.reserved_cost end, 0) as reserved,
                  coalesce(case k.unit when 'tokens' then s.spent_tokens else s.spent_cost end, 0) as spent) e
 where k.reserved <> e.reserved or k.spent <> e.spent
 order by b.name, k.starts_at
"""
"""Accounts that hold something else than what their actions reserve and spent."""

RUNS = """
select r.id, r.name, r.cost_usd, r.input_tokens + r.output_tokens as tokens,
       coalesce(s.cost, 0) as expected_cost, coalesce(s.tokens, 0) as expected_tokens
  from agents_run r
  left join (select x.run_id, sum(x.cost_usd) as cost, sum(x.input_tokens + x.output_tokens) as tokens
               from agents_action x where x.state in ('succeeded', 'failed') group by x.run_id) s on s.run_id = r.id
 where r.cost_usd <> coalesce(s.cost, 0) or r.input_tokens + r.output_tokens <> coalesce(s.tokens, 0)
 order by r.id
"""
"""Runs whose sums are not those of their actions."""


class Wrong(NamedTuple):
    """Something that does not add up, and the sentence that says so."""

    what: str
    id: Any
    sentence: str


def check() -> list[Wrong]:
    """Everything that does not add up; empty when all is well. Each half sees one moment."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(ACCOUNTS)
        for id, name, reserved, spent, expected_reserved, expected_spent in cursor.fetchall():
            said = (
                f"Budget “{name}”, account {id}: {reserved:f} reserved and {spent:f} spent, but its actions "
                f"reserve {expected_reserved:f} and spent {expected_spent:f}."
            )
            found.append(Wrong("account", id, said))
        cursor.execute(RUNS)
        for id, name, cost, tokens, expected_cost, expected_tokens in cursor.fetchall():
            said = (
                f"Run “{name}” {id}: ${cost:f} and {tokens} tokens, but its actions cost "
                f"${expected_cost:f} and {expected_tokens} tokens."
            )
            found.append(Wrong("run", id, said))
    return found
