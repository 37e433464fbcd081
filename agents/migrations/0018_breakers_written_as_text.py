"""The breakers of a report are put together as text; the function that does comes with `sql/facts.sql` later."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("agents", "0017_one_agent_per_action")]

    operations: list[migrations.RunSQL] = []
