"""The values of a breaker are written without their names, which were three quarters of what a report reads."""

from importlib import import_module
from pathlib import Path

from django.db import migrations

FACTS = Path(__file__).parent.parent / "sql" / "facts.sql"
DROP = import_module("agents.migrations.0016_admissions_together").DROP


class Migration(migrations.Migration):
    dependencies = [("agents", "0018_breakers_written_as_text")]

    operations = [
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        migrations.RunSQL(FACTS.read_text(), migrations.RunSQL.noop),
    ]
