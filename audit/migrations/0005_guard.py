"""What guards the record: anchors outside, legal holds, how long payloads are kept, and who may let them go."""

from pathlib import Path

import audit.ids
import django.contrib.postgres.fields
import django.db.models.functions.datetime
from django.db import migrations, models

GUARD = Path(__file__).parent.parent / "sql" / "guard.sql"


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0004_words'),
    ]

    operations = [
        migrations.CreateModel(
            name='Anchor',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('file', 'File'), ('webhook', 'Webhook'), ('witness', 'Witness')], max_length=7)),
                ('where', models.CharField(max_length=300)),
                ('state', models.CharField(choices=[('kept', 'Kept'), ('failed', 'Failed'), ('inconsistent', 'Knows another record'), ('accepted', 'Accepted by an admin')], max_length=12)),
                ('size', models.BigIntegerField()),
                ('root', models.BinaryField(default=b'', max_length=32)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('cosignature', models.TextField(blank=True)),
                ('error', models.TextField(blank=True)),
            ],
            options={
                'verbose_name': 'anchor',
                'verbose_name_plural': 'anchors',
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['kind', 'where', '-id'], name='anchor_of_place'), models.Index(condition=models.Q(('state', 'kept')), fields=['kind', 'where', '-id'], name='anchor_kept')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['file', 'webhook', 'witness'])), name='anchor_kind_is_known'), models.CheckConstraint(condition=models.Q(('state__in', ['kept', 'failed', 'inconsistent', 'accepted'])), name='anchor_state_is_known')],
            },
        ),
        migrations.CreateModel(
            name='LegalHold',
            fields=[
                ('id', models.UUIDField(default=audit.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('scope', models.CharField(choices=[('case', 'One case'), ('run', 'A run'), ('agent', 'An agent'), ('person', 'A person'), ('team', 'A team'), ('everything', 'Everything')], max_length=10)),
                ('subject', models.CharField(blank=True, max_length=200)),
                ('label', models.CharField(blank=True, max_length=300)),
                ('names', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, default=list)),
                ('reason', models.CharField(max_length=2000)),
                ('by', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('ended_by', models.CharField(blank=True, max_length=200)),
                ('end_reason', models.CharField(blank=True, max_length=2000)),
            ],
            options={
                'verbose_name': 'legal hold',
                'verbose_name_plural': 'legal holds',
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('ended_at', None)), fields=['scope'], name='legal_hold_stands')],
                'constraints': [models.CheckConstraint(condition=models.Q(('scope__in', ['case', 'run', 'agent', 'person', 'team', 'everything'])), name='legal_hold_scope_is_known'), models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='legal_hold_has_a_reason'), models.CheckConstraint(condition=models.Q(models.Q(('scope', 'everything'), ('subject', '')), models.Q(models.Q(('scope', 'everything'), _negated=True), models.Q(('subject', ''), _negated=True)), _connector='OR'), name='legal_hold_says_of_what')],
            },
        ),
        migrations.CreateModel(
            name='Retention',
            fields=[
                ('team', models.CharField(blank=True, max_length=36, primary_key=True, serialize=False)),
                ('months', models.PositiveSmallIntegerField()),
                ('set_by', models.CharField(max_length=200)),
                ('set_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name': 'retention',
                'verbose_name_plural': 'retentions',
                'ordering': ['team'],
                'constraints': [models.CheckConstraint(condition=models.Q(('months__lte', 1200)), name='retention_is_a_century_at_most')],
            },
        ),
        migrations.RunSQL(GUARD.read_text()),
    ]
