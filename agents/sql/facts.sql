-- Everything an admission or settlement is judged by, read under lock in one trip.
-- Locks are taken in the one order everybody follows: agent, run, action. Each later statement of a
-- PL/pgSQL function sees what was committed before its own start (READ COMMITTED), so counters are
-- read after the lock was won. Judging happens in Python (agents/rules), never here.

-- What of a breaker's window stands in buckets. A function of one SELECT that PostgreSQL puts in its caller's place.
-- Windows over two hours are sums of whole hours, so that a day costs 24 rows and not 8,640.
create or replace function agents_window_sums(
    p_owner uuid, p_condition text, p_unit text, p_window interval, p_reset timestamptz,
    p_baseline numeric, p_baseline_volume int, p_now timestamptz
) returns table (value numeric, volume bigint) language sql stable as $$
    select case when w.reset_slot >= w.first_slot then greatest(s.value - p_baseline, 0) else s.value end,
           case when w.reset_slot >= w.first_slot then greatest(s.volume - p_baseline_volume, 0) else s.volume end
      from (select d.width,
                   floor(extract(epoch from p_now - p_window) / d.width)::int + 1 as first_slot,
                   floor(extract(epoch from p_reset) / d.width)::int as reset_slot
              from (select case when p_window > interval '2 hours' then 3600 else 10 end as width) d) w,
           lateral (
            select coalesce(sum(case p_condition
                       when 'spend' then case when p_unit = 'tokens' then k.tokens else k.cost_usd end
                       when 'slow' then k.slow
                       when 'unusual' then k.unusual
                       else k.failures end), 0) as value,
                   coalesce(sum(k.finished), 0) as volume
              from agents_bucket k
             where k.owner = p_owner and k.width = w.width
               and k.slot >= greatest(w.first_slot, coalesce(w.reset_slot, w.first_slot))) s
$$;

-- How often an item was worked on since then; not counted further than a breaker's limit. One statement a scope: a
-- condition that chooses inside would keep the index from being used. Only the index on items gives the order that is
-- asked for: to a plan made while the table was empty all of them cost the same, and others read all that there ever was.
create or replace function agents_repeats(
    p_scope text, p_team uuid, p_agent uuid, p_run uuid, p_item text, p_tool text, p_since timestamptz, p_limit numeric
) returns table (n bigint) language sql stable as $$
    select case when p_scope = 'team' then (select count(*) from (
            select 1 from agents_agent a join agents_action x on x.agent_id = a.id
             where a.team_id = p_team and x.item = p_item and x.created_at > p_since
               and x.tool = p_tool and x.state <> 'denied'
             limit least(ceil(p_limit), 1e9)::int + 1) recent)
        else (select count(*) from (
            select 1 from agents_action x
             where x.agent_id = p_agent and x.item = p_item and x.created_at > p_since
               and x.tool = p_tool and x.state <> 'denied'
               and (p_scope = 'agent' or x.run_id = p_run)
             order by x.created_at desc limit least(ceil(p_limit), 1e9)::int + 1) recent) end
$$;

-- How many malformed outputs came in a row. One that had begun before the reset counts without what it was long then.
create or replace function agents_malformed(k agents_streak, b agents_breaker) returns numeric language sql stable as $$
    select greatest(k.malformed - case when k.began_at <= b.reset_at then b.baseline else 0 end, 0)
$$;

-- What a breaker's window holds. `p_item` and `p_tool` are only looked at for repeats.
create or replace function agents_breaker_reading(
    b agents_breaker, p_agent uuid, p_run uuid, p_item text, p_tool text, p_now timestamptz,
    out value numeric, out volume int, out base int, out base_volume int
) language plpgsql stable as $$
#variable_conflict use_column
declare
    its_owner uuid := case b.scope when 'run' then p_run when 'team' then b.team_id else p_agent end;
    since timestamptz := greatest(p_now - b.window, coalesce(b.reset_at, '-infinity'));
begin
    value := 0; volume := 0; base := 0; base_volume := 0;
    case b.condition
    when 'repeats' then
        if p_item is not null then
            select r.n into value
              from agents_repeats(b.scope, b.team_id, p_agent, p_run, p_item, p_tool, since, b.limit + b.extra) r;
        end if;
        return;
    when 'loop' then
        return;
    when 'malformed' then
        select agents_malformed(k, b) into value from agents_streak k where k.owner = its_owner;
        value := coalesce(value, 0);
        return;
    when 'often', 'rarely' then
        if b.scope = 'team' then
            select count(*) into value from (
                select 1 from agents_agent a join agents_run r on r.agent_id = a.id
                where a.team_id = b.team_id and r.id >= agents_first_id(since - interval '1 minute')
                  and r.started_at > since
                limit least(ceil(b.limit + b.extra), 1e9)::int + 1) recent;
        else
            select count(*) into value from (
                select 1 from agents_run r
                where r.agent_id = p_agent and r.id >= agents_first_id(since - interval '1 minute')
                  and r.started_at > since
                limit least(ceil(b.limit + b.extra), 1e9)::int + 1) recent;
        end if;
        return;
    when 'silence' then
        select extract(epoch from p_now - greatest(
                   coalesce(r.seen_at, r.started_at), coalesce(b.reset_at, '-infinity')))
          into value from agents_run r where r.id = p_run;
        value := coalesce(value, 0);
        return;
    else
        null;
    end case;
    if b.window = interval '0' then
        value := greatest(agents_run_spent(p_run, b.unit) - b.baseline, 0);
        return;
    end if;
    select w.value, w.volume into value, volume
      from agents_window_sums(its_owner, b.condition, b.unit, b.window, b.reset_at,
                              b.baseline, b.baseline_volume, p_now) w;
    if b.condition = 'drop' then
        select coalesce(sum(k.failures), 0), coalesce(sum(k.finished), 0) into base, base_volume
          from agents_bucket k
         where k.owner = its_owner and k.width = case b.condition when 'drop' then 3600 end
           and k.slot >= floor(extract(epoch from p_now) / 3600)::int - 168
           and k.slot < floor(extract(epoch from p_now - b.window) / 3600)::int;
    end if;
end $$;

-- What a run has spent and reserved: its buckets hold both, its own sums only what is settled, but from the start.
create or replace function agents_run_spent(p_run uuid, p_unit text) returns numeric language sql stable as $$
    select greatest(coalesce(settled.spent, 0), coalesce(counted.spent, 0))
      from (select sum(case when p_unit = 'tokens' then k.tokens else k.cost_usd end) as spent
              from agents_bucket k where k.owner = p_run and k.width = 3600) counted
      left join (select case when p_unit = 'tokens' then r.input_tokens + r.output_tokens else r.cost_usd end as spent
                   from agents_run r where r.id = p_run) settled on true
$$;

-- The smallest id (UUIDv7) that can have been made at this moment or later.
create or replace function agents_first_id(p_at timestamptz) returns uuid language sql immutable as $$
    select (lpad(to_hex(greatest(floor(extract(epoch from
        case when p_at = '-infinity' then 'epoch'::timestamptz else p_at end) * 1000), 0)::bigint), 12, '0')
        || '00000000000000000000')::uuid
$$;

-- The rows that watch this run: its agent's and its team's, and of a run's own row instead of its setting.
create or replace function agents_watching(p_agent uuid, p_team uuid, p_run uuid)
returns setof agents_breaker language sql stable as $$
    select b.* from agents_breaker b
     where b.agent_id = p_agent and (b.run_id = p_run or b.run_id is null and (b.scope <> 'run' or not exists (
           select 1 from agents_breaker own
            where own.agent_id = p_agent and own.run_id = p_run
              and own.condition = b.condition and own.unit = b.unit and own.window = b.window)))
       and b.state <> 'disabled'
     union all
    select b.* from agents_breaker b where b.team_id = p_team and b.state <> 'disabled'
$$;

-- A breaker and its reading as the rules want it: JSON, put together as text, the values without their names in the
-- order of `BreakerFacts`: with names, those of one report filled several of the connection's buffers. json_build_array
-- looks up, for every value of every row, how its type is written, which cost as much as reading the windows.
create or replace function agents_breaker_json(
    b agents_breaker, p_now timestamptz, p_value numeric, p_volume bigint, p_base bigint, p_base_volume bigint
) returns text language sql stable as $$
    select concat(
        '["', b.id, '","', b.condition, '","', b.unit, '","', b.scope, '",',
        case when b.run_id is null then 'null' else concat('"', b.run_id, '"') end,
        ',"', b.state, '",', b.limit + case when b.extra_until > p_now then b.extra else 0 end,
        ',', extract(epoch from b.window)::float8, ',', p_value,
        ',', b.generation, ',', b.probes_allowed, ',', b.probes_leased, ',', b.probes_succeeded,
        ',', case when b.probation_until is null then 'null' else to_json(b.probation_until)::text end,
        ',', b.minimum, ',', b.threshold, ',', p_volume, ',', p_base, ',', p_base_volume,
        ',', case when b.reset_at is null then 'null' else to_json(b.reset_at)::text end, ']')
$$;

-- The breakers that watch this run, as what is judged now wants them: a report, or the start of a run, or the clock
-- (they ask for one condition). What cannot be judged by a report is only told where it is not closed.
-- One plan reads all windows: a function call for each breaker costs as much as the rest.
create or replace function agents_report_breakers(
    p_agent uuid, p_team uuid, p_run uuid, p_now timestamptz, p_condition text
) returns table (breakers text) language sql stable rows 1 as $$
    select concat('[', string_agg(agents_breaker_json(b, p_now, coalesce(g.value, 0), coalesce(g.volume, 0),
                                                      coalesce(d.failures, 0), coalesce(d.finished, 0)),
                                  ',' order by b.condition, b.unit, b.id), ']')
      from agents_watching(p_agent, p_team, p_run) b
      left join lateral (
        select w.value, w.volume
          from agents_window_sums(case b.scope when 'run' then p_run when 'team' then p_team else p_agent end,
                                  b.condition, b.unit, b.window, b.reset_at, b.baseline, b.baseline_volume, p_now) w
         where b.window <> interval '0'
           and b.condition in ('errors', 'failure_rate', 'slow', 'spend', 'unusual', 'drop')
         union all
        select agents_malformed(k, b), 0
          from agents_streak k
         where b.condition = 'malformed'
           and k.owner = case b.scope when 'run' then p_run when 'team' then p_team else p_agent end
         union all
        select r.value, r.volume::bigint from agents_breaker_reading(b, p_agent, p_run, null, null, p_now) r
         where b.condition in ('often', 'rarely', 'silence') or b.window = interval '0') g on true
      left join lateral (
        -- Of the two indexes on hours only the owner's may be read, which the width as a constant would not make sure.
        select sum(k.failures) as failures, sum(k.finished) as finished
          from agents_bucket k
         where b.condition = 'drop'
           and k.owner = case b.scope when 'run' then p_run when 'team' then p_team else p_agent end
           and k.width = case b.condition when 'drop' then 3600 end
           and k.slot >= floor(extract(epoch from p_now) / 3600)::int - 168
           and k.slot < floor(extract(epoch from p_now - b.window) / 3600)::int) d on true
     where case when p_condition <> '' then b.condition = p_condition
                else b.state not in ('closed', 'shadow') or b.condition not in ('often', 'rarely', 'silence') end
$$;

create or replace function agents_breakers_json(
    p_agent uuid, p_team uuid, p_run uuid, p_now timestamptz, p_condition text default ''
) returns text language sql stable as $$
    select w.breakers from agents_report_breakers(p_agent, p_team, p_run, p_now, p_condition) w
$$;

-- The breakers that a proposal is judged by. Of those that judge only outcomes, it is told which are not closed.
-- One plan reads all gauges: a function call for each breaker cost as much as the rest of an admission's reading.
create or replace function agents_proposal_breakers(
    p_agent uuid, p_team uuid, p_run uuid, p_item text, p_tool text, p_now timestamptz
) returns table (breakers text) language sql stable rows 1 as $$
    select concat('[', string_agg(agents_breaker_json(b, p_now, coalesce(g.value, 0), 0, 0, 0),
                                  ',' order by b.condition, b.unit, b.id), ']')
      from agents_watching(p_agent, p_team, p_run) b
      left join lateral (
        select case
            when b.condition = 'repeats' then
                (select r.n from agents_repeats(b.scope, p_team, p_agent, p_run, p_item, p_tool,
                    greatest(p_now - b.window, coalesce(b.reset_at, '-infinity')), b.limit + b.extra) r)
            when b.window = interval '0' then greatest(agents_run_spent(p_run, b.unit) - b.baseline, 0)
            else (select w.value from agents_window_sums(
                      case b.scope when 'run' then p_run when 'team' then p_team else p_agent end,
                      b.condition, b.unit, b.window, b.reset_at, b.baseline, b.baseline_volume, p_now) w)
            end as value) g on b.condition in ('repeats', 'spend', 'unusual')
     where b.state not in ('closed', 'shadow') or b.condition in ('repeats', 'spend', 'unusual')
$$;

-- The accounts that an action of this run is reserved in, made where a period begins, and locked in the order
-- of their ids, as settlements do. A budget that is being removed is waited for, and then gone.
-- Not locked, they only say what is likely: whoever writes then looks again (`write_admission(if_room)`).
create or replace function agents_accounts(
    p_agent uuid, p_team uuid, p_run uuid, p_now timestamptz, p_lock boolean default true
)
returns table (account uuid, budget uuid, name text, scope text, unit text, period text,
               room numeric, reserved numeric, spent numeric, warned int)
language plpgsql as $$
#variable_conflict use_column
begin
    if not exists (select 1 from agents_budget b
                    where b.team_id = p_team and (b.agent_id is null or b.agent_id = p_agent)) then
        return;
    end if;
    insert into agents_account (id, budget_id, owner, starts_at, ends_at, unit, raised, reserved, spent, warned)
    select gen_random_uuid(), b.id, d.owner, d.starts_at, d.ends_at, b.unit, 0, 0, 0, 0
      from agents_budget b, agents_account_of(b, p_agent, p_run, p_now) d
     where b.team_id = p_team and (b.agent_id is null or b.agent_id = p_agent)
       and not exists (select 1 from agents_account k where k.budget_id = b.id
                          and k.owner = d.owner and k.starts_at = d.starts_at)
     order by b.id
       for key share of b
        on conflict do nothing;
    if not p_lock then
        return query
        select k.id, b.id, b.name::text, b.scope::text, b.unit::text, b.period::text,
               b.limit + k.raised, k.reserved, k.spent, k.warned::int
          from agents_budget b, agents_account_of(b, p_agent, p_run, p_now) d, agents_account k
         where b.team_id = p_team and (b.agent_id is null or b.agent_id = p_agent)
           and k.budget_id = b.id and k.owner = d.owner and k.starts_at = d.starts_at
         order by k.id;
        return;
    end if;
    return query
    select k.id, b.id, b.name::text, b.scope::text, b.unit::text, b.period::text,
           b.limit + k.raised, k.reserved, k.spent, k.warned::int
      from agents_budget b, agents_account_of(b, p_agent, p_run, p_now) d, agents_account k
     where b.team_id = p_team and (b.agent_id is null or b.agent_id = p_agent)
       and k.budget_id = b.id and k.owner = d.owner and k.starts_at = d.starts_at
     order by k.id
       for no key update of k;
end $$;

-- Whose account it is, and the period that a moment falls into.
create or replace function agents_account_of(
    b agents_budget, p_agent uuid, p_run uuid, p_now timestamptz,
    out owner uuid, out starts_at timestamptz, out ends_at timestamptz
) language sql stable as $$
    select case b.scope when 'run' then p_run when 'agent' then p_agent else b.team_id end,
           case when b.period = 'run' then 'epoch'::timestamptz else t.starts at time zone b.time_zone end,
           case when b.period = 'run' then null
                else (t.starts + ('1 ' || b.period)::interval) at time zone b.time_zone end
      from (select date_trunc(case b.period when 'run' then 'day' else b.period end,
                              p_now at time zone b.time_zone) as starts) t
$$;

create or replace function agents_budgets_json(
    p_agent uuid, p_team uuid, p_run uuid, p_now timestamptz, p_lock boolean default true
) returns text language sql as $$
    select json_agg(json_build_object(
        'account', k.account, 'budget', k.budget, 'name', k.name, 'scope', k.scope, 'unit', k.unit,
        'period', k.period, 'limit', k.room, 'reserved', k.reserved, 'spent', k.spent,
        'warned', k.warned) order by k.budget)::text
      from agents_accounts(p_agent, p_team, p_run, p_now, p_lock) k
$$;

-- The statement that calls it writes nothing: the ordinary verb has to look again, under lock.
create or replace function agents_step_aside() returns text language plpgsql volatile as $$
begin
    raise exception 'step aside' using errcode = 'WF001';
end $$;

-- Spends from the accounts of a run what was never reserved (reports of what was done without asking).
create or replace function agents_charge(
    p_agent uuid, p_team uuid, p_run uuid, p_now timestamptz, p_tokens bigint, p_cost numeric
) returns uuid[] language plpgsql as $$
declare
    ids uuid[];
begin
    select array_agg(k.account) into ids from agents_accounts(p_agent, p_team, p_run, p_now) k;
    update agents_account k
       set spent = k.spent + case k.unit when 'tokens' then p_tokens else p_cost end
     where k.id = any(ids);
    return coalesce(ids, '{}');
end $$;

-- What a run's agent must obey now. As a table of one row, so that PostgreSQL puts it in its caller's place.
create or replace function agents_control(r agents_run, a agents_agent)
returns table (control jsonb) language sql stable rows 1 as $$
    select jsonb_build_object(
        'state', s.state,
        'reason', case when s.state = 'paused' and a.state = 'paused' then a.state_reason
                       when s.state = 'terminated' and a.state = 'retired' then 'This agent is retired.'
                       else r.state_reason end,
        'version', a.control_version || '.' || r.control_version,
        'hold_id', case when s.state = 'paused' then (
            select t.id from agents_trip t
            where t.agent_id = a.id and t.ended_at is null and (t.run_id is null or t.run_id = r.id)
            order by t.run_id nulls first limit 1) end,
        'directives', coalesce((
            select jsonb_agg(jsonb_build_object(
                'id', d.id, 'kind', d.kind, 'body', d.body, 'by', d.by, 'at', d.at) order by d.id)
            from (select * from agents_directive d
                  where d.agent_id = a.id and d.run_id = r.id and d.acknowledged_at is null
                  order by d.id limit 100) d), '[]'),
        'cancel', coalesce((
            select jsonb_agg(x.id order by x.id)
            from (select x.id from agents_action x
                  where x.run_id = r.id and x.state = 'executing' and x.cancel_requested_at is not null
                  order by x.cancel_requested_at limit 100) x), '[]'))
    from (select case
        when r.state not in ('running', 'paused') then r.state
        when a.state = 'retired' then 'terminated'
        when a.state = 'paused' or r.state = 'paused' then 'paused'
        else 'running' end as state) s
$$;

create or replace function agents_control_json(p_run uuid) returns jsonb language sql stable as $$
    select c.control
      from agents_run r join agents_agent a on a.id = r.agent_id, lateral agents_control(r, a) c
     where r.id = p_run
$$;

-- An action as its agent sees it.
create or replace function agents_action_json(x agents_action) returns jsonb language sql stable as $$
    select jsonb_build_object(
        'id', x.id, 'run_id', x.run_id, 'call_id', x.call_id, 'kind', x.kind, 'tool', x.tool,
        'subject', x.subject, 'state', x.state, 'reason', x.state_reason, 'code', x.code,
        'requested_arguments', x.arguments,
        'arguments', coalesce(x.approved_arguments, x.arguments),
        'decision', x.decision, 'message', x.message, 'decided_by', x.decided_by,
        'decided_at', x.decided_at, 'expires_at', x.expires_at, 'claim_id', x.claim_id,
        'lease_until', x.lease_until, 'result', x.result, 'error', x.error, 'resume', x.resume,
        'hold_id', case when x.state = 'held' or x.decision <> '' then coalesce(x.remembered_id, x.id) end,
        'agent_id', x.agent_id, 'policy_version', x.policy_version, 'rule', x.rule,
        'digest', encode(x.approval_digest, 'hex'), 'revises', x.revises_id,
        'on_behalf_of', x.on_behalf_of, 'votes_needed', (x.requirement ->> 'votes')::int)
$$;

-- The policies that judge an agent: its own version and its team's, and both numbers as text.
create or replace function agents_policies(p_agent uuid, p_team uuid)
returns table (policy uuid, team_policy uuid, policy_version text) language sql stable rows 1 as $$
    select own.current_id, of_team.current_id,
           coalesce(t.number, 0) || '.' || coalesce(o.number, 0)
      from (select 1) as one
      left join agents_policy own on own.agent_id = p_agent
      left join agents_policy of_team on of_team.team_id = p_team and of_team.agent_id is null
      left join agents_policyversion o on o.id = own.current_id
      left join agents_policyversion t on t.id = of_team.current_id
$$;

-- For proposals, one of an agent: what each is judged by, all under the locks of their agents and runs. No row where the
-- key is unknown; run_state is null when the run is not this agent's. `p_wait`: wait for an agent that somebody else
-- holds, or else leave it out: who comes along with others must not keep them waiting.
create or replace function agents_admission_facts(
    p_keys bytea[], p_runs uuid[], p_calls text[], p_idempotency text[], p_items text[], p_tools text[],
    p_lock boolean, p_wait boolean
) returns table (
    n int, agent_id uuid, team_id uuid, agent_state text, agent_reason text,
    agent_name text, environment text, team_name text,
    policy uuid, team_policy uuid, policy_version text,
    run_state text, run_reason text, run_name text, on_behalf_of text,
    now_at timestamptz, control text,
    seen uuid, seen_digest bytea, breakers text, budgets text,
    uses bigint, tool_uses bigint
) language plpgsql
  -- Planning takes ten times as long as running, and tables that are small today are not small next month.
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
  set enable_material = off
as $$
#variable_conflict use_column
declare
    its_n int[];
    its_agents uuid[];
    its_now timestamptz;
begin
    if p_wait then
        select array_agg(l.n), array_agg(l.id) into its_n, its_agents
          from (select k.n::int, a.id
                  from unnest(p_keys) with ordinality as k (hash, n)
                  join agents_agentkey y on y.hash = k.hash and y.revoked_at is null
                  join agents_agent a on a.id = y.agent_id
                 order by a.id for no key update of a) l;
    else
        -- Nor for an account or a window that agents share: what fails then is tried again by each for itself.
        perform set_config('lock_timeout', '100ms', true);
        -- By team, so that groups make the accounts of a new period in one order.
        select array_agg(l.n), array_agg(l.id) into its_n, its_agents
          from (select k.n::int, a.id
                  from unnest(p_keys) with ordinality as k (hash, n)
                  join agents_agentkey y on y.hash = k.hash and y.revoked_at is null
                  join agents_agent a on a.id = y.agent_id
                 order by a.team_id, a.id for no key update of a skip locked) l;
    end if;
    -- "is not distinct from" is no condition for an index: an agent may have many runs, and this is one of them.
    perform 1
       from unnest(its_n, its_agents) as g (n, agent),
            lateral (select 1 from agents_run r
                      where r.id = p_runs[g.n] and r.agent_id is not distinct from g.agent
                        for no key update) r;
    its_now := clock_timestamp();
    return query
    select g.n, a.id, a.team_id, a.state::text, a.state_reason::text, a.name::text, a.environment::text, t.name::text,
           p.policy, p.team_policy, p.policy_version,
           r.state::text, r.state_reason::text, r.name::text, r.on_behalf_of::text, its_now, c.control::text,
           s.id, s.digest, w.breakers,
           case when s.id is null and r.id is not null and exists (
                select 1 from agents_budget b
                 where b.team_id = a.team_id and (b.agent_id is null or b.agent_id = a.id))
                then agents_budgets_json(a.id, a.team_id, r.id, its_now, p_lock) end,
           u.uses, u.tool_uses
      from unnest(its_n, its_agents) as g (n, agent)
      join agents_agent a on a.id = g.agent
      join people_team t on t.id = a.team_id
      left join agents_run r on r.id = p_runs[g.n] and r.agent_id is not distinct from a.id
      left join lateral agents_policies(a.id, a.team_id) p on true
      left join lateral agents_control(r, a) c on true
      left join lateral (
        (select x.id, x.digest from agents_action x where x.run_id = r.id and x.call_id = p_calls[g.n])
        union all
        (select x.id, x.digest from agents_action x
          where x.agent_id = a.id and r.id is not null
            and x.idempotency_key = p_idempotency[g.n] and x.idempotency_key <> ''
            and x.state in ('allowed', 'held', 'approved', 'executing', 'succeeded', 'unknown'))
        limit 1) s on true
      left join lateral agents_proposal_breakers(
            a.id, a.team_id, r.id, p_items[g.n], p_tools[g.n], its_now) w on s.id is null
      left join lateral (
        select max(u.uses) filter (where u.tool = '') as uses,
               max(case when u.is_known then 9e15::bigint else u.uses end)
                   filter (where u.tool = p_tools[g.n]) as tool_uses
          from agents_tooluse u
         where u.agent_id = a.id and u.tool in ('', p_tools[g.n])) u on true;
end $$;

-- For a claim or settlement. No row when the key is unknown; `state` is null when it is not this agent's.
create or replace function agents_action_facts(
    p_key bytea, p_action uuid,
    out agent_id uuid, out team_id uuid, out agent_state text, out agent_reason text,
    out agent_name text, out environment text, out team_name text,
    out policy uuid, out team_policy uuid, out policy_version text,
    out run_id uuid, out run_state text, out run_reason text, out run_name text, out steps bytea,
    out now_at timestamptz,
    out state text, out tool text, out arguments text, out claim_id text, out expires_at timestamptz,
    out kind text, out subject text, out amount numeric, out currency text, out on_behalf_of text,
    out approval_digest bytea, out judged_by text, out requirement text, out decision text,
    out report_digest bytea, out estimated_tokens bigint, out estimated_cost_usd numeric,
    out probe_of uuid, out probe_generation int, out accounts uuid[], out model text,
    out created_at timestamptz, out claimed_at timestamptz, out prices_version bigint, out breakers text
) returns setof record language plpgsql as $$
#variable_conflict use_column
declare
    its_agent uuid;
    its_run uuid;
begin
    select a.id, a.team_id, a.state, a.state_reason, a.name, a.environment, t.name
      into agent_id, team_id, agent_state, agent_reason, agent_name, environment, team_name
      from agents_agentkey k join agents_agent a on a.id = k.agent_id
      join people_team t on t.id = a.team_id
     where k.hash = p_key and k.revoked_at is null
       for no key update of a;
    if not found then
        return;
    end if;
    its_agent := agent_id;
    select p.policy, p.team_policy, p.policy_version into policy, team_policy, policy_version
      from agents_policies(its_agent, team_id) p;
    select x.run_id into its_run from agents_action x where x.id = p_action and x.agent_id = its_agent;
    if not found then
        return next;
        return;
    end if;
    select r.id, r.state, r.state_reason, r.name, r.steps
      into run_id, run_state, run_reason, run_name, steps
      from agents_run r where r.id = its_run for no key update;
    select x.state, x.tool, coalesce(x.approved_arguments, x.arguments)::text, x.claim_id, x.expires_at,
           x.kind, x.subject, x.amount, x.currency, x.on_behalf_of, x.approval_digest,
           x.policy_version, x.requirement::text, x.decision, x.report_digest, x.estimated_tokens,
           x.estimated_cost_usd, x.probe_of_id, x.probe_generation, x.accounts, x.model,
           x.created_at, x.claimed_at
      into state, tool, arguments, claim_id, expires_at, kind, subject, amount, currency,
           on_behalf_of, approval_digest, judged_by, requirement, decision, report_digest,
           estimated_tokens, estimated_cost_usd, probe_of, probe_generation, accounts, model,
           created_at, claimed_at
      from agents_action x where x.id = p_action for no key update;
    now_at := clock_timestamp();
    select coalesce(max(p.id), 0) into prices_version from agents_price p;
    select w.breakers into breakers from agents_report_breakers(its_agent, team_id, its_run, now_at, '') w;
    return next;
end $$;
