"""An action belongs to a run and to that run's agent; PostgreSQL checks both by one key."""

import django.db.models.deletion
from django.db import migrations, models


BOTH = """
alter table agents_action add constraint action_of_its_agents_run
    foreign key (agent_id, run_id) references agents_run (agent_id, id) deferrable initially deferred;
"""

NOT_BOTH = "alter table agents_action drop constraint action_of_its_agents_run"


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0016_admissions_together'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='run',
            name='run_of_agent',
        ),
        migrations.AlterField(
            model_name='action',
            name='agent',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='actions', to='agents.agent'),
        ),
        migrations.AlterField(
            model_name='action',
            name='run',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='actions', to='agents.run'),
        ),
        migrations.AlterField(
            model_name='run',
            name='agent',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='agents.agent'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.UniqueConstraint(fields=('agent', 'id'), name='run_of_agent'),
        ),
        migrations.RunSQL(BOTH, NOT_BOTH),
    ]
