"""The functions that read facts, now with the policies in force, come with `sql/facts.sql` later."""

from django.db import migrations

DROP = """
drop function if exists agents_action_facts, agents_admission_facts, agents_action_json,
    agents_control_json, agents_breakers_json, agents_breaker_value, agents_policies;
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0005_gates_become_policies")]

    operations = [
        migrations.RemoveField(model_name="agent", name="gates"),
        migrations.RemoveField(model_name="agent", name="policy_version"),
        migrations.RemoveField(model_name="agent", name="tools"),
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
    ]
