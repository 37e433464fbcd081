"""Whose right a person may use, as a function: a decision reads it in the same trip as what it decides."""

from pathlib import Path

from django.db import migrations

SEATS = Path(__file__).parent.parent / "sql" / "seats.sql"


class Migration(migrations.Migration):
    dependencies = [("people", "0002_groups_delegations_calendars_tokens")]

    operations = [
        migrations.RunSQL(SEATS.read_text(), "drop function people_seats(uuid, timestamptz);")
    ]
