-- A hold that no longer waits ends what was told of it, whoever closed it and however; the last one resolves
-- its alert, in the same transaction. Almost every change finds nothing here: one look into a small index.
create or replace function reviews_end_alerts() returns trigger language plpgsql as $$
declare
    touched uuid[];
    gone record;
begin
    with over as (
        update reviews_occurrence set over_at = clock_timestamp()
         where hold_id = new.id and over_at is null returning alert_id)
    select array_agg(distinct alert_id order by alert_id) into touched from over;
    if touched is null then
        return null;
    end if;
    for gone in
        update reviews_alert a
           set state = 'resolved', resolved_at = clock_timestamp(), resolved_by = new.decided_by,
               repeat_at = null
         where a.id = any(touched) and a.state <> 'resolved'
           and not exists (select 1 from reviews_occurrence o
                            where o.alert_id = a.id and o.over_at is null)
        returning a.id, a.team_id, a.agent_id, a.title
    loop
        -- `decided_by` is readable; the record knows people by their id.
        with line as (
            insert into audit_line (kind, actor, about, team, agent, run)
            values ('alert.resolved',
                    coalesce((select 'person:' || p.id from people_person p
                               where starts_with(new.decided_by, 'person:')
                                 and p.name = substr(new.decided_by, length('person:') + 1)), new.decided_by),
                    'reviews.alert:' || gone.id, coalesce(gone.team_id::text, ''),
                    coalesce(gone.agent_id::text, ''), '')
            returning id, at),
        payload as (
            insert into audit_payload (id, at, body)
            select id, at, jsonb_build_object(
                       'data', jsonb_build_object('hold', new.id), 'summary', gone.title)::text from line)
        insert into audit_pending (id) select id from line;
    end loop;
    return null;
end $$;

create trigger end_alerts after update of state on reviews_hold
    for each row when (old.state = 'open' and new.state <> 'open')
    execute function reviews_end_alerts();
