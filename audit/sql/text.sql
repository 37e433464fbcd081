-- The words of entries, apart from them: what is searched is no part of what is proved, and no transaction of
-- anybody's waits for an index.
create table audit_text (
    line bigint not null,
    at timestamptz not null,
    words tsvector not null,
    primary key (line, at)
) partition by range (at);
create table audit_text_default partition of audit_text default;
create index audit_text_words on audit_text using gin (words);

-- One month's words are one table, as its payloads are (`audit_payload_month`), and are dropped with them.
create function audit_text_month(day timestamptz) returns text language plpgsql as $$
declare
    first timestamp := date_trunc('month', day at time zone 'UTC');
    named text := 'audit_text_' || to_char(first, 'YYYY_MM');
begin
    if to_regclass(named) is null then
        execute format('create table %I partition of audit_text for values from (%L) to (%L)', named,
                       first at time zone 'UTC', (first + interval '1 month') at time zone 'UTC');
    end if;
    return named;
end $$;

select audit_text_month(month) from generate_series(
    (select date_trunc('month', coalesce(min(at), now()), 'UTC') from audit_line),
    now() + interval '3 months', interval '1 month') as months (month);

create table audit_indexed (id smallint primary key default 1 check (id = 1), next bigint not null default 0);

-- Words go with their payload. The row of `audit_indexed` is taken first: whoever reads words holds it, and would
-- otherwise write down those of a payload that is being erased.
create function audit_text_waits() returns trigger language plpgsql as $$
begin
    perform from audit_indexed for update;
    return null;
end $$;
create function audit_text_erased() returns trigger language plpgsql as $$
begin
    delete from audit_text where line = old.id and at = old.at;
    return null;
end $$;
create trigger words_wait before delete on audit_payload for each statement execute function audit_text_waits();
create trigger words_go_too after delete on audit_payload for each row execute function audit_text_erased();
