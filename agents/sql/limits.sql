-- Everything a permit is judged by, read under the limit's lock in one trip. Judging happens in Python
-- (agents/rules/gcra.py). The clock is read after the lock was won: who waited for it must not count with an
-- older time. Only the limit is locked, and nothing else is waited for while it is.
create or replace function agents_permit_facts(
    p_key bytea, p_resource text, p_id uuid, p_run uuid, p_waiting uuid[], p_patience interval
) returns table (
    agent_id uuid, team_id uuid, team_name text, agent_state text, agent_reason text,
    run_state text, run_reason text,
    limit_id uuid, count int, period interval, burst int, concurrency int, lease interval,
    tat timestamptz, now_at timestamptz,
    mine uuid, mine_agent uuid, mine_limit uuid, mine_units int, mine_is_lease boolean,
    mine_asked_at timestamptz, mine_starts_at timestamptz, mine_until timestamptz,
    held int, ahead int, free_at timestamptz
) language plpgsql as $$
#variable_conflict use_column
declare
    l agents_limit%rowtype;
    m agents_permit%rowtype;
begin
    select a.id, a.team_id into agent_id, team_id
      from agents_agentkey k join agents_agent a on a.id = k.agent_id
     where k.hash = p_key and k.revoked_at is null;
    if agent_id is null then
        return;
    end if;
    select x.* into l from agents_limit x
     where x.resource = p_resource and (x.team_id = agents_permit_facts.team_id or x.team_id is null)
     order by x.team_id nulls last limit 1
       for no key update;
    now_at := clock_timestamp();
    -- Read after the lock, in statements of their own: a stop that was committed meanwhile is seen.
    select a.state, a.state_reason, t.name into agent_state, agent_reason, team_name
      from agents_agent a join people_team t on t.id = a.team_id
     where a.id = agents_permit_facts.agent_id;
    select r.state, r.state_reason into run_state, run_reason
      from agents_run r where r.id = p_run and r.agent_id = agents_permit_facts.agent_id;
    limit_id := l.id; count := l.count; period := l.period; burst := l.burst;
    concurrency := l.concurrency; lease := l.lease; tat := l.tat;
    select p.* into m from agents_permit p where p.id = p_id;
    mine := m.id; mine_agent := m.agent_id; mine_limit := m.limit_id; mine_units := m.units;
    mine_is_lease := m.is_lease; mine_asked_at := m.asked_at; mine_starts_at := m.starts_at;
    mine_until := m.until;
    held := 0; ahead := 0;
    if l.concurrency is not null then
        update agents_permit p set until = now_at + p_patience
         where p.id = any (p_waiting) and p.limit_id = l.id and p.starts_at is null;
        select count(*) filter (where p.starts_at is not null),
               count(*) filter (where p.starts_at is null and p.id <> p_id
                                  and (m.asked_at is null
                                       or (p.asked_at, p.id) < (m.asked_at, m.id))),
               min(p.until) filter (where p.starts_at is not null)
          into held, ahead, free_at
          from agents_permit p
         where p.limit_id = l.id and p.is_lease and p.until > now_at;
    end if;
    return next;
end $$;
