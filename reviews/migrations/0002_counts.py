"""How many holds wait in each queue, kept by the database itself."""

from pathlib import Path

from django.db import migrations

COUNTS = Path(__file__).parent.parent / "sql" / "counts.sql"

DROP = "drop function reviews_count_holds cascade;"


class Migration(migrations.Migration):
    dependencies = [("reviews", "0001_initial")]

    operations = [migrations.RunSQL(COUNTS.read_text(), DROP)]
