"""What is usual for an agent: counted with every action, and learned from the record when a breaker begins to look"""

from __future__ import annotations

from django.db import connection, transaction

from ..models import Agent, ToolUse, Trip
from ..models.breaker import Condition

NEWEST = 20_000
"""Actions that a history is learned from: what an agent did long before says little about it now."""

UNKNOWN = """
select a.id from agents_agent a
 where a.state <> 'retired'
   and exists (select 1 from agents_breaker b
                where b.condition = 'unusual' and b.state <> 'disabled'
                  and (b.agent_id = a.id or b.team_id = a.team_id))
   and not exists (select 1 from agents_tooluse u where u.agent_id = a.id and u.tool = '')
   and exists (select 1 from agents_action x where x.agent_id = a.id)
 order by a.id limit %s
"""

LEARN = """
with newest as (
    select x.tool from agents_action x
     where x.agent_id = %(agent)s and x.state <> 'denied' order by x.id desc limit %(newest)s)
insert into agents_tooluse as k (agent_id, tool, uses)
select %(agent)s, n.tool, count(*) from newest n group by n.tool
 union all
select %(agent)s, '', count(*) from newest having count(*) > 0
    on conflict (agent_id, tool) do update set uses = excluded.uses
"""


def sweep(most: int) -> None:
    """Learn the habits of agents that a breaker looks at and nobody knows yet. Twice is harmless."""
    with connection.cursor() as cursor:
        cursor.execute(UNKNOWN, [most])
        ids = [row[0] for row in cursor.fetchall()]
    for pk in ids:
        with transaction.atomic():
            learn(Agent.objects.select_for_update(no_key=True).get(pk=pk))


def learn(agent: Agent) -> None:
    """Count anew from what is recorded. The agent is locked by the caller."""
    with connection.cursor() as cursor:
        cursor.execute(LEARN, {"agent": agent.pk, "newest": NEWEST})


def accept(made: Trip) -> None:
    """A person saw the unusual tool and let the agent go on: it is not unusual any more."""
    tool = made.evidence.get("tool")
    if made.condition == Condition.UNUSUAL and tool:
        ToolUse.objects.update_or_create(
            agent_id=made.agent_id, tool=tool, defaults={"is_known": True}
        )
