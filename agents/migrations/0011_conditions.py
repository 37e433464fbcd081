"""What tells answered evidence from new, and a tool that a person knows from an unusual one."""

import django.db.models.functions.datetime
from django.db import migrations, models

DROP = """
drop function if exists agents_action_facts, agents_admission_facts, agents_action_json,
    agents_control_json, agents_breakers_json, agents_breaker_value, agents_policies,
    agents_breaker_reading, agents_first_id, agents_item_counts, agents_accounts, agents_account_of,
    agents_budgets_json, agents_charge, agents_run_spent;
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0010_budgets_and_prices")]

    operations = [
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="streak",
            name="began_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddField(
            model_name="tooluse",
            name="is_known",
            field=models.BooleanField(db_default=False),
        ),
    ]
