"""The breakers of a report are put together as text, which costs a third less."""

from importlib import import_module
from pathlib import Path

from django.db import migrations

FACTS = Path(__file__).parent.parent / "sql" / "facts.sql"
DROP = import_module("agents.migrations.0016_admissions_together").DROP


class Migration(migrations.Migration):
    dependencies = [("agents", "0017_one_agent_per_action")]

    operations = [
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        migrations.RunSQL(FACTS.read_text(), migrations.RunSQL.noop),
    ]
