-- Whose right a person may use at a moment: their own, and that of everybody who has delegated to them then.
-- Not passed on: a seat taken over stays with who took it. Someone who left lends no seat.
-- `roles` is [[team id or null, role], …], `groups` [[team id, name], …]: enough to ask "may they decide this".
create function people_seats(person uuid, at timestamptz)
returns table (id uuid, name text, roles jsonb, groups jsonb)
language sql stable parallel safe as $$
  select p.id, p.name::text,
         coalesce((select jsonb_agg(jsonb_build_array(m.team_id, m.role))
                     from people_membership m where m.person_id = p.id), '[]'),
         coalesce((select jsonb_agg(jsonb_build_array(g.team_id, g.name))
                     from people_group_members gm join people_group g on g.id = gm.group_id
                    where gm.person_id = p.id), '[]')
    from people_person p
   where p.is_active
     and p.id in (select person
                  union
                  select d.giver_id from people_delegation d
                   where d.taker_id = person and d.ended_at is null
                     and d.starts_at <= at and d.ends_at > at)
$$;
