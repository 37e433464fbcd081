"""A proposal's gauges are read by one plan instead of one function call for each breaker."""

from pathlib import Path

from django.db import migrations

FACTS = Path(__file__).parent.parent / "sql" / "facts.sql"

DROP = """
drop function if exists agents_action_facts, agents_admission_facts, agents_action_json,
    agents_control_json, agents_breakers_json, agents_breaker_value, agents_policies,
    agents_proposal_breakers, agents_breaker_json, agents_watching, agents_repeats, agents_window_sums,
    agents_breaker_reading, agents_first_id, agents_item_counts, agents_accounts, agents_account_of,
    agents_budgets_json, agents_charge, agents_run_spent, agents_step_aside;
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0014_limits_without_end")]

    operations = [
        # Functions take rows of the tables: whoever changes a table makes them again.
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        migrations.RunSQL(FACTS.read_text(), DROP),
    ]
