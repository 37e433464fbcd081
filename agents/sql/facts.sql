-- Everything an admission or settlement is judged by, read under lock in one trip.
-- Locks are taken in the one order everybody follows: agent, run, action. Each later statement of a
-- PL/pgSQL function sees what was committed before its own start (READ COMMITTED), so counters are
-- read after the lock was won. Judging happens in Python (agents/rules), never here.

-- How full a breaker's window is. `p_item` and `p_tool` are only looked at for repeats.
create or replace function agents_breaker_value(
    b agents_breaker, p_run uuid, p_item text, p_tool text, p_now timestamptz
) returns numeric language plpgsql stable as $$
declare
    since timestamptz := greatest(p_now - b.window, coalesce(b.reset_at, '-infinity'));
    first_slot int := floor(extract(epoch from p_now - b.window) / 10)::int + 1;
    reset_slot int := floor(extract(epoch from b.reset_at) / 10)::int;
    total numeric;
begin
    if b.condition = 'repeats' then
        if p_item is null then
            return 0;
        end if;
        select count(*) into total from (
            select 1 from agents_action x
            where x.agent_id = b.agent_id and x.item = p_item and x.tool = p_tool
              and x.created_at > since and x.state <> 'denied'
              and (b.scope = 'agent' or x.run_id = p_run)
            limit ceil(b.limit)::int + 1
        ) recent;
        return total;
    end if;
    select coalesce(sum(case
               when b.condition = 'errors' then k.failures
               when b.unit = 'tokens' then k.tokens
               else k.cost_usd end), 0)
      into total
      from agents_bucket k
     where k.owner = case when b.scope = 'run' then p_run else b.agent_id end
       and k.width = 10 and k.slot >= greatest(first_slot, coalesce(reset_slot, first_slot));
    if reset_slot >= first_slot then
        total := greatest(total - b.baseline, 0);
    end if;
    return total;
end $$;

-- The breakers that watch this run: those of the agent, and of a run's own row instead of its setting.
create or replace function agents_breakers_json(
    p_agent uuid, p_run uuid, p_item text, p_tool text, p_now timestamptz
) returns text language sql stable as $$
    select coalesce(json_agg(json_build_object(
        'id', b.id, 'condition', b.condition, 'unit', b.unit, 'scope', b.scope,
        'run_id', b.run_id, 'state', b.state, 'limit', b.limit,
        'window_s', extract(epoch from b.window)::float8,
        'value', agents_breaker_value(b, p_run, p_item, p_tool, p_now),
        'generation', b.generation, 'probes_allowed', b.probes_allowed,
        'probes_leased', b.probes_leased, 'probes_succeeded', b.probes_succeeded,
        'probation_until', b.probation_until) order by b.condition, b.unit), '[]')::text
    from agents_breaker b
    where b.agent_id = p_agent and b.state not in ('disabled', 'shadow')
      and (b.run_id = p_run or b.run_id is null and not exists (
          select 1 from agents_breaker own
          where own.agent_id = p_agent and own.run_id = p_run
            and own.condition = b.condition and own.unit = b.unit))
$$;

-- What a run's agent must obey now.
create or replace function agents_control_json(p_run uuid) returns jsonb language sql stable as $$
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
                  order by d.id limit 100) d), '[]'))
    from agents_run r join agents_agent a on a.id = r.agent_id,
    lateral (select case
        when r.state not in ('running', 'paused') then r.state
        when a.state = 'retired' then 'terminated'
        when a.state = 'paused' or r.state = 'paused' then 'paused'
        else 'running' end as state) s
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
create or replace function agents_policies(
    p_agent uuid, p_team uuid, out policy uuid, out team_policy uuid, out policy_version text
) language sql stable as $$
    select own.current_id, of_team.current_id,
           coalesce(t.number, 0) || '.' || coalesce(o.number, 0)
      from (select 1) as one
      left join agents_policy own on own.agent_id = p_agent
      left join agents_policy of_team on of_team.team_id = p_team and of_team.agent_id is null
      left join agents_policyversion o on o.id = own.current_id
      left join agents_policyversion t on t.id = of_team.current_id
$$;

-- For a proposal. No row at all when the key is unknown; run_state is null when the run is not this agent's.
create or replace function agents_admission_facts(
    p_key bytea, p_run uuid, p_call text, p_idempotency text, p_item text, p_tool text,
    out agent_id uuid, out team_id uuid, out agent_state text, out agent_reason text,
    out agent_name text, out environment text, out team_name text,
    out policy uuid, out team_policy uuid, out policy_version text,
    out run_state text, out run_reason text, out run_name text, out on_behalf_of text,
    out now_at timestamptz, out control text,
    out seen uuid, out seen_digest bytea, out breakers text
) returns setof record language plpgsql as $$
#variable_conflict use_column
declare
    its_agent uuid;
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
    select r.state, r.state_reason, r.name, r.on_behalf_of
      into run_state, run_reason, run_name, on_behalf_of
      from agents_run r
     where r.id = p_run and r.agent_id = its_agent
       for no key update;
    if not found then
        return next;
        return;
    end if;
    select p.policy, p.team_policy, p.policy_version into policy, team_policy, policy_version
      from agents_policies(its_agent, team_id) p;
    now_at := clock_timestamp();
    control := agents_control_json(p_run)::text;
    select x.id, x.digest into seen, seen_digest
      from agents_action x where x.run_id = p_run and x.call_id = p_call;
    if not found and p_idempotency <> '' then
        select x.id, x.digest into seen, seen_digest
          from agents_action x
         where x.agent_id = its_agent
           and x.idempotency_key = p_idempotency and x.idempotency_key <> ''
           and x.state in ('allowed', 'held', 'approved', 'executing', 'succeeded', 'unknown');
    end if;
    if seen is null then
        breakers := agents_breakers_json(its_agent, p_run, p_item, p_tool, now_at);
    end if;
    return next;
end $$;

-- For a claim or settlement. No row when the key is unknown; `state` is null when it is not this agent's.
create or replace function agents_action_facts(
    p_key bytea, p_action uuid,
    out agent_id uuid, out team_id uuid, out agent_state text, out agent_reason text,
    out agent_name text, out environment text, out team_name text,
    out policy uuid, out team_policy uuid, out policy_version text,
    out run_id uuid, out run_state text, out run_reason text, out run_name text,
    out now_at timestamptz,
    out state text, out tool text, out arguments text, out claim_id text, out expires_at timestamptz,
    out kind text, out subject text, out amount numeric, out currency text, out on_behalf_of text,
    out approval_digest bytea, out judged_by text, out requirement text, out decision text,
    out report_digest bytea, out estimated_tokens bigint, out estimated_cost_usd numeric,
    out probe_of uuid, out probe_generation int, out breakers text
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
    select r.id, r.state, r.state_reason, r.name into run_id, run_state, run_reason, run_name
      from agents_run r where r.id = its_run for no key update;
    select x.state, x.tool, coalesce(x.approved_arguments, x.arguments)::text, x.claim_id, x.expires_at,
           x.kind, x.subject, x.amount, x.currency, x.on_behalf_of, x.approval_digest,
           x.policy_version, x.requirement::text, x.decision, x.report_digest, x.estimated_tokens,
           x.estimated_cost_usd, x.probe_of_id, x.probe_generation
      into state, tool, arguments, claim_id, expires_at, kind, subject, amount, currency,
           on_behalf_of, approval_digest, judged_by, requirement, decision, report_digest,
           estimated_tokens, estimated_cost_usd, probe_of, probe_generation
      from agents_action x where x.id = p_action for no key update;
    now_at := clock_timestamp();
    breakers := agents_breakers_json(its_agent, its_run, null, null, now_at);
    return next;
end $$;
