"""Only in the database of tests: whatever writes to the record, also by SQL, is held to what was declared."""

from __future__ import annotations

import json

from django.db import connection

from audit import kinds

JSON_TYPES = {
    "text": ["string"],
    "int": ["number"],
    "decimal": ["string"],
    "bool": ["boolean"],
    "list": ["array"],
    "dict": ["object"],
    "id": ["string"],
    "moment": ["string"],
    "any": ["string", "number", "boolean", "array", "object", "null"],
}

INSTALL = """
create table if not exists test_kind (name text primary key, version int, fields jsonb);
truncate test_kind;
grant select on test_kind to public;
create or replace function test_declared() returns trigger language plpgsql as $$
declare
    line audit_line;
    known jsonb;
    wrong text;
begin
    select * into line from audit_line where id = new.id;
    if line.kind like 'test.%' or position('.' in line.kind) = 0 then
        return null;
    end if;
    select fields into known from test_kind where name = line.kind and version = line.version;
    if known is null then
        raise exception 'Nobody declared the kind of entry % in version %.', line.kind, line.version;
    end if;
    select string_agg(f.key || ' (' || jsonb_typeof(f.value) || ')', ', ') into wrong
      from jsonb_each(new.body::jsonb -> 'data') f
     where not coalesce(known -> f.key ? jsonb_typeof(f.value), false);
    if wrong is not null then
        raise exception '% is not declared with %.', line.kind, wrong;
    end if;
    return null;
end $$;
create or replace trigger test_declared after insert on audit_payload
    for each row execute function test_declared();
"""


def install() -> None:
    """An entry that nobody declared, or with fields that nobody did, fails where it is written; but those of `test`."""
    with connection.cursor() as cursor:
        cursor.execute(INSTALL)
        for kind in kinds.every():
            allow(kind)


def allow(kind: kinds.Kind) -> None:
    """Let this kind be written, too."""
    fields = {
        name: JSON_TYPES[type_] + (["null"] if optional else [])
        for name, (type_, optional) in kind.declared().items()
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into test_kind values (%s, %s, %s::jsonb) on conflict do nothing",
            [kind.name, kind.version, json.dumps(fields)],
        )
