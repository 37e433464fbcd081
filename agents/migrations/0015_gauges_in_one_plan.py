"""A proposal's gauges are read by one plan; the functions that do come with `sql/facts.sql` later."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("agents", "0014_limits_without_end")]

    operations: list[migrations.RunSQL] = []
