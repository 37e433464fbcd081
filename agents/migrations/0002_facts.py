"""Room on the pages of rows that change often. The functions that read facts come with `sql/facts.sql` later."""

from django.db import migrations

ROOM = """
alter table agents_agent set (fillfactor = 50);
alter table agents_run set (fillfactor = 50);
alter table agents_bucket set (fillfactor = 40);
alter table agents_action set (fillfactor = 80);
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial")]

    operations = [
        migrations.RunSQL(ROOM, migrations.RunSQL.noop),
    ]
