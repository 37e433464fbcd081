"""Who listens is looked up once a statement, however many entries it writes."""

from django.db import migrations

TOGETHER = """
drop trigger entries_are_told on audit_line;
create or replace function audit_tell() returns trigger language plpgsql as $$
begin
    insert into audit_delivery (endpoint_id, entry_id, message_id, type)
    select e.id, w.id, 'evt_' || w.id || '_' || replace(e.id::text, '-', ''), w.kind
      from written w, audit_endpoint e
     where e.state = 'active' and e.kind = 'webhook' and e.team in (w.team, '')
       and e.events && array[w.kind, split_part(w.kind, '.', 1) || '.*']::varchar[]
     order by w.id, e.id
       for key share of e;
    return null;
end $$;
create trigger entries_are_told after insert on audit_line
    referencing new table as written for each statement execute function audit_tell();
"""

ONE_BY_ONE = """
drop trigger entries_are_told on audit_line;
create or replace function audit_tell() returns trigger language plpgsql as $$
begin
    insert into audit_delivery (endpoint_id, entry_id, message_id, type)
    select e.id, new.id, 'evt_' || new.id || '_' || replace(e.id::text, '-', ''), new.kind
      from audit_endpoint e
     where e.state = 'active' and e.kind = 'webhook' and e.team in (new.team, '')
       and e.events && array[new.kind, split_part(new.kind, '.', 1) || '.*']::varchar[]
       for key share of e;
    return null;
end $$;
create trigger entries_are_told after insert on audit_line for each row execute function audit_tell();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_export")]

    operations = [migrations.RunSQL(TOGETHER, ONE_BY_ONE)]
