-- What the application may not do by itself, the owner does for it: payloads go, but only those that an entry names,
-- that no legal hold covers, and whose lines have their place in the tree.

create view audit_held as
select l.id, h.id as hold
  from audit_legalhold h
  join audit_line l
    on case h.scope
       when 'everything' then true
       when 'team' then l.team = h.subject
       when 'agent' then l.agent = h.subject
       when 'run' then l.run = h.subject
       when 'person' then h.subject in (l.actor, l.about)
       when 'case' then l.about = any (h.names)
       end
 where h.ended_at is null;

-- A payload is kept for the month in which it was written, and so many months after it; 0 is for ever.
create function audit_expires(written timestamptz, whose text) returns timestamptz language sql stable as $$
    select (date_trunc('month', written at time zone 'UTC') + make_interval(months => 1 + months)) at time zone 'UTC'
      from audit_retention where team in (whose, '') order by team desc limit 1
$$;

create function audit_is_expired(written timestamptz, whose text) returns boolean language sql stable as $$
    select coalesce((select months > 0 and audit_expires(written, whose) <= now()
                       from audit_retention where team in (whose, '') order by team desc limit 1), false)
$$;

-- Without these nobody could say what became of the others, also when they are old themselves.
create function audit_tells_what_went(kind text) returns boolean language sql immutable as $$
    select kind in ('record.erased', 'record.expired')
$$;

create function audit_erase(erasure bigint) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    ids bigint[];
    gone bigint;
begin
    select array(select jsonb_array_elements_text(p.body::jsonb -> 'data' -> 'ids')::bigint) into ids
      from audit_line l join audit_payload p on p.id = l.id and p.at = l.at
     where l.id = erasure and l.kind = 'record.erased';
    if ids is null then
        raise exception 'No entry says that anything is erased.' using errcode = 'insufficient_privilege';
    end if;
    lock table audit_legalhold in share mode;
    if exists (select from audit_held where id = any (ids)) then
        raise exception 'A legal hold covers what should be erased.' using errcode = 'insufficient_privilege';
    end if;
    if exists (select from audit_pending where id = any (ids)) then
        raise exception 'An entry has no place in the log yet.' using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform set_config('watchfloor.agreed', pg_current_xact_id()::text, true);
    delete from audit_payload p using audit_line l
     where l.id = any (ids) and l.kind not like 'record.%' and l.kind not like 'log.%'
       and p.id = l.id and p.at = l.at;
    get diagnostics gone = row_count;
    perform set_config('watchfloor.agreed', '', true);
    return gone;
end $$;

-- A whole month goes as a table, when all of it is expired; else those that the entry names. What tells what went
-- stays in the default part.
create function audit_expire(expiry bigint) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    told jsonb;
    first date;
    named text;
    stays boolean;
    gone bigint;
begin
    select p.body::jsonb -> 'data' into told from audit_line l join audit_payload p on p.id = l.id and p.at = l.at
     where l.id = expiry and l.kind = 'record.expired';
    if told is null then
        raise exception 'No entry says that anything expired.' using errcode = 'insufficient_privilege';
    end if;
    lock table audit_legalhold, audit_retention in share mode;
    if told ? 'ids' then
        perform set_config('watchfloor.agreed', pg_current_xact_id()::text, true);
        delete from audit_payload p using audit_line l
         where l.id in (select jsonb_array_elements_text(told -> 'ids')::bigint) and p.id = l.id and p.at = l.at
           and audit_is_expired(l.at, l.team) and not audit_tells_what_went(l.kind)
           and not exists (select from audit_held h where h.id = l.id)
           and not exists (select from audit_pending q where q.id = l.id);
        get diagnostics gone = row_count;
        perform set_config('watchfloor.agreed', '', true);
        return gone;
    end if;
    first := (told ->> 'month' || '-01')::date;
    named := 'audit_payload_' || to_char(first, 'YYYY_MM');
    if not exists (select from pg_inherits where inhparent = 'public.audit_payload'::regclass
                                             and inhrelid = to_regclass('public.' || named)) then
        raise exception 'There are no payloads of that month.' using errcode = 'undefined_table';
    end if;
    execute format('select exists (select from public.%I p join audit_line l on l.id = p.id
                     where not audit_is_expired(l.at, l.team)
                        or exists (select from audit_held h where h.id = l.id)
                        or exists (select from audit_pending q where q.id = l.id))', named) into stays;
    if stays then
        raise exception 'Not all of that month may go.' using errcode = 'insufficient_privilege';
    end if;
    execute format('select count(*) from public.%I p join audit_line l on l.id = p.id
                     where not audit_tells_what_went(l.kind)', named) into gone;
    perform from audit_indexed for update;
    -- Whoever writes an entry would wait behind us: rather try again later than hold up the house.
    perform set_config('lock_timeout', '2s', true);
    execute format('alter table audit_payload detach partition public.%I', named);
    execute format('insert into audit_payload select p.* from public.%I p join audit_line l on l.id = p.id
                     where audit_tells_what_went(l.kind)', named);
    execute format('drop table public.%I', named);
    named := 'audit_text_' || to_char(first, 'YYYY_MM');
    if to_regclass('public.' || named) is not null then
        execute format('alter table audit_text detach partition public.%I', named);
        execute format('insert into audit_text select t.* from public.%I t join audit_line l on l.id = t.line
                         where audit_tells_what_went(l.kind)', named);
        execute format('drop table public.%I', named);
    end if;
    return gone;
end $$;

-- Room for the months to come. What was written while there was none waits in the default part: it moves.
create function audit_make_month(whole text, low timestamptz, high timestamptz) returns boolean language plpgsql as $$
declare
    waits boolean;
begin
    if to_regclass(format('public.%I', whole || to_char(low at time zone 'UTC', '_YYYY_MM'))) is not null then
        return false;
    end if;
    execute format('select exists (select from %I where at >= $1 and at < $2)', whole || '_default')
        into waits using low, high;
    if waits then
        execute format('alter table %I detach partition %I', whole, whole || '_default');
    end if;
    execute format('select %I($1)', whole || '_month') using low;
    if waits then
        execute format('insert into %I select * from %I where at >= $1 and at < $2', whole, whole || '_default')
            using low, high;
        execute format('delete from %I where at >= $1 and at < $2', whole || '_default') using low, high;
        execute format('alter table %I attach partition %I default', whole, whole || '_default');
    end if;
    return true;
end $$;

create function audit_make_months(ahead integer) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    whole text;
    month timestamp;
    made integer := 0;
begin
    -- Whoever writes an entry would wait behind us: rather try again later than hold up the house.
    perform set_config('lock_timeout', '2s', true);
    foreach whole in array array['audit_payload', 'audit_text'] loop
        for month in select date_trunc('month', now() at time zone 'UTC') + make_interval(months => n)
                       from generate_series(0, least(ahead, 24)) as n loop
            made := made + audit_make_month(whole, month at time zone 'UTC',
                                            (month + interval '1 month') at time zone 'UTC')::integer;
        end loop;
    end loop;
    return made;
end $$;

revoke all on function audit_erase(bigint), audit_expire(bigint), audit_make_months(integer) from public;

create function audit_hold_stays() returns trigger language plpgsql as $$
begin
    if old.ended_at is not null
       or (new.id, new.scope, new.subject, new.label, new.reason, new."by", new.created_at)
          is distinct from (old.id, old.scope, old.subject, old.label, old.reason, old."by", old.created_at)
       or not new.names @> old.names then
        raise exception 'A legal hold may only end.' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;

create trigger a_payload_goes_as_agreed before delete on audit_payload for each row
    when (current_setting('watchfloor.agreed', true) is distinct from pg_current_xact_id()::text)
    execute function audit_refuse();
create trigger an_anchor_stays before update or delete on audit_anchor for each row execute function audit_refuse();
create trigger a_hold_ends before update on audit_legalhold for each row execute function audit_hold_stays();
create trigger a_hold_is_kept before delete on audit_legalhold for each row execute function audit_refuse();
create trigger is_not_truncated before truncate on audit_anchor execute function audit_refuse();
create trigger is_not_truncated before truncate on audit_legalhold execute function audit_refuse();
