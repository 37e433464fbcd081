"""Accounts may be read without a lock: who shares a budget does not wait while another thinks."""

from django.db import migrations

DROP = """
drop function if exists agents_action_facts, agents_admission_facts, agents_action_json,
    agents_control_json, agents_breakers_json, agents_breaker_value, agents_policies,
    agents_breaker_reading, agents_first_id, agents_item_counts, agents_accounts, agents_account_of,
    agents_budgets_json, agents_charge, agents_run_spent, agents_step_aside;
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0011_conditions")]

    operations = [
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
    ]
