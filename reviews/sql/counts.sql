-- Counts people see are kept, not counted. One statement per change of holds, queues in one order, so
-- that two changes never wait for each other crosswise.
create or replace function reviews_count_holds() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into reviews_queuecount as c (queue_id, kind, waiting)
        select queue_id, kind, count(*) from added where state = 'open'
         group by 1, 2 order by 1, 2
            on conflict (queue_id, kind) do update set waiting = c.waiting + excluded.waiting;
    elsif tg_op = 'DELETE' then
        update reviews_queuecount c set waiting = c.waiting - gone.n
          from (select queue_id, kind, count(*) n from removed where state = 'open'
                 group by 1, 2 order by 1, 2) gone
         where c.queue_id = gone.queue_id and c.kind = gone.kind;
    else
        insert into reviews_queuecount as c (queue_id, kind, waiting)
        select queue_id, kind, 0 from added group by 1, 2 order by 1, 2 on conflict do nothing;
        update reviews_queuecount c set waiting = c.waiting + change.n
          from (select queue_id, kind, sum(n) n
                  from (select queue_id, kind, 1 n from added where state = 'open'
                        union all
                        select queue_id, kind, -1 from removed where state = 'open') both_sides
                 group by 1, 2 having sum(n) <> 0 order by 1, 2) change
         where c.queue_id = change.queue_id and c.kind = change.kind;
    end if;
    return null;
end $$;

create trigger count_opened after insert on reviews_hold
    referencing new table as added for each statement execute function reviews_count_holds();
create trigger count_changed after update on reviews_hold
    referencing old table as removed new table as added
    for each statement execute function reviews_count_holds();
create trigger count_removed after delete on reviews_hold
    referencing old table as removed for each statement execute function reviews_count_holds();
