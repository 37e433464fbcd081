"""The function that ends alerts writes their entries as lines and payloads."""

from pathlib import Path

from django.db import migrations

ENDING = Path(__file__).parent.parent / "sql" / "alerts.sql"


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0003_lines_and_tree'),
        ('people', '0003_seats'),
        ('reviews', '0004_alerts'),
    ]

    operations = [
        migrations.RunSQL(ENDING.read_text().partition("create trigger")[0], migrations.RunSQL.noop),
    ]
