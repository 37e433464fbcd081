"""The SQL by which the clock finds agents that start too rarely and runs that went silent.

Each statement says the whole of it, and is asked twice: for everybody without a lock, then for the one in question
under its locks. Whoever was stopped and runs again has a whole window before anything is expected of them, and so has
a breaker that is new or was answered for; ids are UUIDv7, so they tell when a row was made.
"""

from __future__ import annotations

_WATCHING = """
       b.run_id is null and b.state in ('closed', 'half_open', 'shadow') and a.state = 'active'
   and b.id < agents_first_id(%(now)s - b.window)
   and coalesce(b.reset_at, '-infinity') <= %(now)s - b.window
   and not exists (select 1 from agents_trip t
                    where t.agent_id = a.id and not t.is_shadow and t.ended_at > %(now)s - b.window
                      and t.run_id is null)
"""

RARE = f"""
select b.id as breaker, a.id as agent, null::uuid as run
  from agents_breaker b
  join agents_agent a on a.id = b.agent_id or b.agent_id is null and a.id = (
       select o.id from agents_agent o where o.team_id = b.team_id and o.state = 'active' order by o.id limit 1)
 where b.condition = 'rarely' and {_WATCHING}
   and a.id < agents_first_id(%(now)s - b.window)
   and (select count(*) from (
            select 1 from agents_agent o join agents_run r on r.agent_id = o.id
             where (o.id = b.agent_id or b.agent_id is null and o.team_id = b.team_id)
               and r.id >= agents_first_id(%(now)s - b.window - interval '1 minute')
               and r.started_at > %(now)s - b.window
             limit least(ceil(b.limit), 1e9)::int) started) < b.limit
   and (%(agent)s::uuid is null or a.id = %(agent)s and b.id = %(breaker)s)
   and %(run)s::uuid is null
 order by b.id limit %(most)s
"""

SILENT = f"""
select coalesce(own.id, b.id) as breaker, a.id as agent, r.id as run
  from agents_breaker b
  join agents_agent a on a.id = b.agent_id or b.agent_id is null and a.team_id = b.team_id
  join agents_run r on r.agent_id = a.id and (r.state = 'running' or r.state = 'paused')
  left join agents_breaker own on own.agent_id = a.id and own.run_id = r.id and own.condition = b.condition
       and own.window = b.window
 where b.condition = 'silence' and {_WATCHING}
   and r.state = 'running' and coalesce(r.seen_at, r.started_at) <= %(now)s - b.window
   and coalesce(own.state, b.state) in ('closed', 'half_open', 'shadow')
   and coalesce(own.reset_at, '-infinity') <= %(now)s - b.window
   and not exists (select 1 from agents_trip t
                    where t.agent_id = a.id and t.run_id = r.id and t.ended_at > %(now)s - b.window)
   and not exists (select 1 from agents_action x
                    where x.agent_id = a.id and x.run_id = r.id and x.state = 'held')
   and not exists (select 1 from agents_action x
                    where x.agent_id = a.id and x.state = 'executing' and x.run_id = r.id
                      and x.lease_until > %(now)s)
   and not exists (select 1 from (select x.decided_at from agents_action x where x.run_id = r.id
                                   order by x.id desc limit 50) x
                    where x.decided_at > %(now)s - b.window)
   and (%(agent)s::uuid is null
        or a.id = %(agent)s and r.id = %(run)s and coalesce(own.id, b.id) = %(breaker)s)
 order by r.id limit %(most)s
"""
"""Who waits for a person is not silent, nor who said how long its step may take, nor who just got an answer."""

CONDITIONS = {"rarely": RARE, "silence": SILENT}

BREAKERS = """
select agents_breakers_json(%(agent)s, %(team)s, %(run)s, %(now)s, %(condition)s)
"""
