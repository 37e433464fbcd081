"""Facts of many proposals at once, so that those who ask at the same time share a transaction: the functions that
read them come with `sql/facts.sql` later."""

from django.db import migrations, models

DROP = """
drop function if exists agents_action_facts, agents_admission_facts, agents_action_json,
    agents_control_json, agents_control, agents_breakers_json, agents_report_breakers, agents_policies,
    agents_proposal_breakers, agents_breaker_json, agents_watching, agents_repeats, agents_window_sums,
    agents_breaker_reading, agents_first_id, agents_item_counts, agents_accounts, agents_account_of,
    agents_budgets_json, agents_charge, agents_run_spent, agents_step_aside,
    agents_malformed;
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0015_gauges_in_one_plan")]

    operations = [
        migrations.RemoveIndex(model_name="bucket", name="bucket_age"),
        migrations.AddIndex(
            model_name="bucket",
            index=models.Index(
                condition=models.Q(("width", 10)), fields=["slot"], name="bucket_age_narrow"
            ),
        ),
        migrations.AddIndex(
            model_name="bucket",
            index=models.Index(
                condition=models.Q(("width", 3600)), fields=["slot"], name="bucket_age_wide"
            ),
        ),
        migrations.AddIndex(
            model_name="action",
            index=models.Index(
                condition=models.Q(
                    ("cancel_requested_at__isnull", False), ("state", "executing")
                ),
                fields=["run", "cancel_requested_at"],
                name="action_to_cancel",
            ),
        ),
        # Functions take rows of the tables: whoever changes a table makes them again.
        migrations.RunSQL(DROP, DROP),
    ]
