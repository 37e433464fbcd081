-- The old table becomes the table of lines: its rows, numbers, indexes and the trigger that tells endpoints stay.
-- What may have to be erased one day (summary and data) moves into payloads, and names give way to ids.
drop trigger if exists pgtrigger_entries_are_only_added_c2cae on audit_entry;
drop trigger if exists pgtrigger_entries_are_not_truncated_8b7c1 on audit_entry;
drop function if exists pgtrigger_entries_are_only_added_c2cae();
drop function if exists pgtrigger_entries_are_not_truncated_8b7c1();
alter table audit_entry rename to audit_line;
alter sequence audit_entry_id_seq rename to audit_line_id_seq;
alter index audit_entry_pkey rename to audit_line_pkey;
alter table audit_line alter column at set default clock_timestamp();
-- What was written before lines were hashed is of version 0.
alter table audit_line add column version smallint not null default 0;
alter table audit_line alter column version set default 1;

create table audit_payload (
    id bigint not null,
    at timestamptz not null,
    salt uuid not null default gen_random_uuid(),
    body text not null,
    primary key (id, at)
) partition by range (at);
create table audit_payload_default partition of audit_payload default;

-- One month's payloads are one table, so that dropping old ones is cheap. Months begin in UTC, whoever asks.
create function audit_payload_month(day timestamptz) returns text language plpgsql as $$
declare
    first timestamp := date_trunc('month', day at time zone 'UTC');
    named text := 'audit_payload_' || to_char(first, 'YYYY_MM');
begin
    if to_regclass(named) is null then
        execute format('create table %I partition of audit_payload for values from (%L) to (%L)', named,
                       first at time zone 'UTC', (first + interval '1 month') at time zone 'UTC');
    end if;
    return named;
end $$;

select audit_payload_month(month) from generate_series(
    (select date_trunc('month', coalesce(min(at), now()), 'UTC') from audit_line),
    now() + interval '3 months', interval '1 month') as months (month);

-- Who acted as `person:ada` is `person:<id>` from now on; who cannot be found any more is nobody, by id, and keeps
-- the name in the payload. Apps above are asked only when they are there: an empty house has no people yet.
do $$
begin
    if not exists (select 1 from audit_line) then
        return;
    end if;
    create temporary table audit_named on commit drop as
        select distinct name, 'person:00000000-0000-0000-0000-000000000000' as known
          from (select actor as name from audit_line where actor like 'person:%'
                 union select about from audit_line where about like 'person:%') named;
    if to_regclass('people_person') is not null then
        execute $find$update audit_named n set known = 'person:' || p.id
                        from people_person p where n.name = 'person:' || p.name$find$;
    end if;
    insert into audit_payload (id, at, body)
    select l.id, l.at, (jsonb_build_object('summary', l.summary, 'data', l.data
               || case when a.known = 'person:00000000-0000-0000-0000-000000000000' then jsonb_build_object('actor_name', l.actor) else '{}' end
               || case when s.known = 'person:00000000-0000-0000-0000-000000000000' then jsonb_build_object('about_name', l.about) else '{}' end)
           )::text
      from audit_line l left join audit_named a on a.name = l.actor left join audit_named s on s.name = l.about;
    update audit_line l set actor = n.known from audit_named n where n.name = l.actor;
    update audit_line l set about = n.known from audit_named n where n.name = l.about;
    insert into audit_pending (id) select id from audit_line;
end $$;

alter table audit_line drop column summary, drop column data;

create view audit_entry as
select l.id, l.at, l.kind, l.actor, l.about, l.team, l.agent, l.run,
       coalesce(p.body::json ->> 'summary', '') as summary,
       coalesce(p.body::jsonb -> 'data', '{}') as data,
       l.version,
       coalesce(p.body::jsonb -> 'source', '{}') as source,
       p.id is null as is_erased
  from audit_line l left join audit_payload p on p.id = l.id and p.at = l.at;

-- For the few who write entries through the model; everybody else has one statement (`audit.record`).
create function audit_enter() returns trigger language plpgsql as $$
begin
    insert into audit_line (id, at, kind, version, actor, about, team, agent, run)
    values (coalesce(new.id, nextval('audit_line_id_seq')), coalesce(new.at, clock_timestamp()), new.kind,
            coalesce(new.version, 1), new.actor, new.about, coalesce(new.team, ''), coalesce(new.agent, ''),
            coalesce(new.run, ''))
    returning id, at into new.id, new.at;
    insert into audit_payload (id, at, body)
    values (new.id, new.at, (jsonb_build_object('data', coalesce(new.data, '{}'), 'summary', coalesce(new.summary, ''))
            || case when new.source <> '{}' then jsonb_build_object('source', new.source) else '{}' end)::text);
    insert into audit_pending (id) values (new.id);
    return new;
end $$;
create trigger entries_are_entered instead of insert on audit_entry for each row execute function audit_enter();

create function audit_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'The record is only added to: % of % is refused.', lower(tg_op), tg_table_name
        using errcode = 'insufficient_privilege';
end $$;

create function audit_only_grows() returns trigger language plpgsql as $$
begin
    if (new.level, new.index) is distinct from (old.level, old.index)
       or substr(new.hashes, 1, length(old.hashes)) <> old.hashes then
        raise exception 'The record is only added to: tile %/% does not continue what it was.', old.level, old.index
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;

-- A key may only retire, be sealed anew, or forget its private part; a log may only halt and go on.
create function audit_key_stays() returns trigger language plpgsql as $$
begin
    if (new.id, new.name, new.key_hash, new.public, new.created_at, new.rotation, new.from_size)
       is distinct from (old.id, old.name, old.key_hash, old.public, old.created_at, old.rotation, old.from_size)
       or (old.retired_at is not null and new.retired_at is distinct from old.retired_at) then
        raise exception 'The record is only added to: update of a key is refused.'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;

create function audit_log_stays() returns trigger language plpgsql as $$
begin
    if (new.id, new.origin, new.created_at) is distinct from (old.id, old.origin, old.created_at) then
        raise exception 'The record is only added to: update of the log''s name is refused.'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;

create trigger a_line_stays before update or delete on audit_line for each row execute function audit_refuse();
create trigger a_payload_stays before update on audit_payload for each row execute function audit_refuse();
create trigger a_pending_stays before update on audit_pending for each row execute function audit_refuse();
create trigger a_leaf_stays before update or delete on audit_leaf for each row execute function audit_refuse();
create trigger a_tile_stays before delete on audit_tile for each row execute function audit_refuse();
create trigger a_tile_grows before update on audit_tile for each row execute function audit_only_grows();
create trigger a_checkpoint_stays before update or delete on audit_checkpoint
    for each row execute function audit_refuse();
create trigger a_key_stays before update on audit_logkey for each row execute function audit_key_stays();
create trigger a_key_is_kept before delete on audit_logkey for each row execute function audit_refuse();
create trigger a_log_stays before update on audit_log for each row execute function audit_log_stays();
create trigger a_log_is_kept before delete on audit_log for each row execute function audit_refuse();

create trigger is_not_truncated before truncate on audit_line execute function audit_refuse();
create trigger is_not_truncated before truncate on audit_payload execute function audit_refuse();
create trigger is_not_truncated before truncate on audit_pending execute function audit_refuse();
create trigger is_not_truncated before truncate on audit_leaf execute function audit_refuse();
create trigger is_not_truncated before truncate on audit_tile execute function audit_refuse();
create trigger is_not_truncated before truncate on audit_checkpoint execute function audit_refuse();
create trigger is_not_truncated before truncate on audit_logkey execute function audit_refuse();
create trigger is_not_truncated before truncate on audit_log execute function audit_refuse();

-- Hashes do not compress: trying would only take time. Tails of tiles are written again and again.
alter table audit_tile alter column hashes set storage external;
alter table audit_tile set (fillfactor = 50);
alter table audit_pending set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
