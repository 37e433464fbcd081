"""The functions that read facts under lock, and room on the pages of rows that change often."""

from pathlib import Path

from django.db import migrations

FACTS = Path(__file__).parent.parent / "sql" / "facts.sql"

DROP = """
drop function agents_action_facts, agents_admission_facts, agents_action_json,
    agents_control_json, agents_breakers_json, agents_breaker_value;
"""

ROOM = """
alter table agents_agent set (fillfactor = 50);
alter table agents_run set (fillfactor = 50);
alter table agents_bucket set (fillfactor = 40);
alter table agents_action set (fillfactor = 80);
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial")]

    operations = [
        migrations.RunSQL(FACTS.read_text(), DROP),
        migrations.RunSQL(ROOM, migrations.RunSQL.noop),
    ]
