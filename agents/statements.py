"""The SQL that the hot door and the ordinary verbs share, so that both do exactly the same.

Facts are read under lock by the functions of `sql/facts.sql`; these statements write what the rules
made of them. Named parameters throughout.
"""

ADMISSION_FACTS = """
select * from agents_admission_facts(
    %(key)s, %(run)s, %(call_id)s, %(idempotency_key)s, %(item)s, %(tool)s)
"""

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

_COUNT = """
    insert into agents_bucket as k (owner, width, slot, actions, failures, tokens, cost_usd)
    select o, w, floor(extract(epoch from %(now)s::timestamptz) / w)::int,
           %(count_actions)s, %(count_failures)s, %(count_tokens)s, %(count_cost)s
      from (values {owners}) as owners (o, w)
        on conflict (owner, width, slot) do update set
           actions = k.actions + excluded.actions, failures = k.failures + excluded.failures,
           tokens = k.tokens + excluded.tokens, cost_usd = k.cost_usd + excluded.cost_usd
"""

_AGENT = "(%(agent)s::uuid, 10), (%(agent)s, 3600)"
_AGENT_AND_RUN = f"{_AGENT}, (%(run)s, 10)"

# What was reserved leaves the slot it was reserved in, what it came to enters the present one. Leaving
# the present one instead would lend today's window what an earlier one had held.
_SETTLE = """
    insert into agents_bucket as k (owner, width, slot, actions, failures, tokens, cost_usd)
    select o, w, floor(extract(epoch from at) / w)::int, 0, sum(failures), sum(tokens), sum(cost)
      from (values {owners}) as owners (o, w),
           (select %(now)s::timestamptz, %(count_failures)s::int, %(count_tokens)s::bigint,
                   %(count_cost)s::numeric
             union all
            select x.created_at, 0, -x.estimated_tokens, -x.estimated_cost_usd
              from agents_action x where x.id = %(action)s) as parts (at, failures, tokens, cost)
     group by 1, 2, 3
        on conflict (owner, width, slot) do update set
           failures = k.failures + excluded.failures,
           tokens = k.tokens + excluded.tokens, cost_usd = k.cost_usd + excluded.cost_usd
"""

RELEASE = """
update agents_bucket k
   set tokens = k.tokens - x.estimated_tokens, cost_usd = k.cost_usd - x.estimated_cost_usd
  from agents_action x
 where x.id = %(action)s and k.owner in (x.agent_id, x.run_id)
   and k.slot = floor(extract(epoch from x.created_at) / k.width)::int and k.width in (10, 3600)
returning 1
"""

COUNT_AGENT = _COUNT.format(owners=_AGENT)
COUNT_AGENT_AND_RUN = _COUNT.format(owners=_AGENT_AND_RUN)

_ENTRY = """
    insert into audit_entry (at, kind, actor, about, team, agent, run, summary, data)
    values (%(now)s, %(entry_kind)s, 'agent:' || %(agent)s::uuid, 'agents.action:' || %(action)s::uuid,
            %(team)s::uuid::text, %(agent)s::text, %(run)s::uuid::text, %(summary)s, %(data)s::jsonb)
"""

_INSERT_ACTION = """
    insert into agents_action (
        id, agent_id, run_id, call_id, kind, tool, subject, item, step, attempt, idempotency_key,
        arguments, digest, policy_version, rule, requirement, on_behalf_of, revises_id, state, gated, code, state_reason, reason, amount, currency,
        estimated_tokens, estimated_cost_usd, input_tokens, output_tokens, cost_usd, model, trace_url,
        resume, claim_id, claimed_at, lease_until, probe_of_id, probe_generation, decision, message,
        decided_by, created_at, expires_at)
    values (
        %(action)s, %(agent)s, %(run)s, %(call_id)s, %(kind)s, %(tool)s, %(subject)s, %(item)s,
        %(step)s, %(attempt)s, %(idempotency_key)s, %(arguments)s::jsonb, %(digest)s,
        %(policy_version)s, %(rule)s, %(requirement)s::jsonb, %(on_behalf_of)s, %(revises)s::uuid,
        %(state)s, true, %(code)s, %(state_reason)s, %(reason)s, %(amount)s,
        %(currency)s, %(estimated_tokens)s, %(estimated_cost_usd)s, 0, 0, 0, '', %(trace_url)s,
        %(resume)s::jsonb, %(claim_id)s, %(claimed_at)s, %(lease_until)s, %(probe_of)s,
        %(probe_generation)s, '', '', '', %(now)s, %(expires_at)s)
    returning agents_action_json(agents_action)::text as action_json
"""

_WRITE_ADMISSION = f"""
with written as ({_INSERT_ACTION}), entry as ({_ENTRY}), counted as ({{count}}),
summed as (
    update agents_run set actions_count = actions_count + 1 where id = %(run)s)
select action_json from written
"""

WRITE_ADMISSION = _WRITE_ADMISSION.format(count=COUNT_AGENT)
WRITE_ADMISSION_OF_RUN = _WRITE_ADMISSION.format(count=COUNT_AGENT_AND_RUN)

WRITE_DENIAL = (
    f"with written as ({_INSERT_ACTION}), entry as ({_ENTRY}) select action_json from written"
)

WRITE_CLAIM = f"""
with written as (
    update agents_action set state = 'executing', claim_id = %(claim_id)s, claimed_at = %(now)s,
           lease_until = %(lease_until)s
     where id = %(action)s
    returning agents_action_json(agents_action)::text as action_json),
entry as ({_ENTRY})
select action_json from written
"""

WRITE_RELEASE = f"""
with written as (
    update agents_action
       set state = case when decision = '' then 'allowed' else 'approved' end,
           claim_id = '', claimed_at = null, lease_until = null
     where id = %(action)s
    returning agents_action_json(agents_action)::text as action_json),
entry as ({_ENTRY})
select action_json from written
"""

_WRITE_SETTLEMENT = f"""
with written as (
    update agents_action
       set state = %(state)s, settled_at = %(now)s, input_tokens = %(input_tokens)s,
           output_tokens = %(output_tokens)s, cost_usd = %(cost_usd)s,
           model = case when %(model)s = '' then model else %(model)s end,
           trace_url = case when %(trace_url)s = '' then trace_url else %(trace_url)s end,
           result = %(result)s::jsonb, error = %(error)s::jsonb, duration_ms = %(duration_ms)s,
           report_digest = %(report_digest)s, lease_until = null
     where id = %(action)s
    returning agents_action_json(agents_action)::text as action_json),
entry as ({_ENTRY}), counted as ({{count}}),
summed as (
    update agents_run
       set failures_count = failures_count + %(count_failures)s,
           input_tokens = input_tokens + %(input_tokens)s,
           output_tokens = output_tokens + %(output_tokens)s,
           cost_usd = cost_usd + %(cost_usd)s
     where id = %(run)s)
select action_json from written
"""

WRITE_SETTLEMENT = _WRITE_SETTLEMENT.format(count=_SETTLE.format(owners=_AGENT))
WRITE_SETTLEMENT_OF_RUN = _WRITE_SETTLEMENT.format(count=_SETTLE.format(owners=_AGENT_AND_RUN))
