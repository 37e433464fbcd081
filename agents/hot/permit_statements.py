"""The SQL of permits. Facts are read under lock by the function of `sql/limits.sql`."""

FACTS = """
select * from agents_permit_facts(
    %(key)s, %(resource)s, %(id)s, %(run)s, %(waiting)s::uuid[], %(patience)s)
"""

_USED = """
    insert into agents_limituse as u (limit_id, agent_id, minute, granted, units, delayed, refused)
    select id, %(agent)s, floor(extract(epoch from %(now)s::timestamptz) / 60)::int, {counts}
      from agents_limit where id = %(limit)s
        on conflict (limit_id, minute, agent_id) do update set
           granted = u.granted + excluded.granted, units = u.units + excluded.units,
           delayed = u.delayed + excluded.delayed, refused = u.refused + excluded.refused
"""

_PROMISED = "update agents_limit set tat = %(tat)s where id = %(limit)s"

_KEPT = """
    insert into agents_permit (id, limit_id, agent_id, run_id, units, is_lease, asked_at, starts_at, until)
    values (%(permit)s, %(limit)s, %(agent)s, %(run)s, %(units)s, %(is_lease)s, %(now)s,
            %(starts_at)s, %(until)s)
        on conflict (id) do update set
           is_lease = excluded.is_lease, starts_at = excluded.starts_at, until = excluded.until
"""

_GRANTED = _USED.format(counts="1, %(units)s, %(delayed)s, 0")

GRANT = f"with promised as ({_PROMISED}) {_GRANTED}"

GRANT_AND_KEEP = f"with promised as ({_PROMISED}), kept as ({_KEPT}) {_GRANTED}"

REFUSE = _USED.format(counts="0, 0, 0, 1")

JOIN = """
insert into agents_permit (id, limit_id, agent_id, run_id, units, is_lease, asked_at, until)
values (%(permit)s, %(limit)s, %(agent)s, %(run)s, %(units)s, true, %(now)s, %(waits_until)s)
    on conflict (id) do update set until = excluded.until
"""

FORGET = f"""
with gone as (delete from agents_permit where id = %(permit)s and agent_id = %(agent)s)
{_USED.format(counts="0, 0, 0, %(refused)s")}
"""

MINE = """
select k.agent_id, p.limit_id
  from agents_agentkey k
  left join agents_permit p on p.id = %(permit)s and p.agent_id = k.agent_id
 where k.hash = %(key)s and k.revoked_at is null
"""

LOCK = "select 1 from agents_limit where id = %(limit)s for no key update"

# After the lock, in a statement of its own: who gives places away has either seen this lease, or its end.
RENEW = """
update agents_permit p
   set until = greatest(p.starts_at, clock_timestamp())
               + least(%(wanted)s::interval, coalesce(l.lease, %(usual)s))
  from agents_limit l
 where p.id = %(permit)s and l.id = p.limit_id and p.is_lease and p.starts_at is not null
   and p.until > clock_timestamp()
returning p.until
"""

GIVE_BACK = """
update agents_permit set until = least(until, clock_timestamp()) where id = %(permit)s
"""
