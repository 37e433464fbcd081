"""Limits of shared resources, the permits given for them, and the function that reads what a permit is judged by."""

from pathlib import Path

import audit.ids
import datetime
import django.db.models.deletion
from django.db import migrations, models

LIMITS = Path(__file__).parent.parent / "sql" / "limits.sql"

DROP = "drop function if exists agents_permit_facts;"


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0007_aap'),
        ('people', '0003_seats'),
    ]

    operations = [
        migrations.CreateModel(
            name='Limit',
            fields=[
                ('id', models.UUIDField(default=audit.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('resource', models.CharField(max_length=80)),
                ('count', models.PositiveIntegerField(blank=True, null=True)),
                ('period', models.DurationField(blank=True, null=True)),
                ('burst', models.PositiveIntegerField(blank=True, null=True)),
                ('concurrency', models.PositiveIntegerField(blank=True, null=True)),
                ('lease', models.DurationField(blank=True, null=True)),
                ('tat', models.DateTimeField(blank=True, editable=False, null=True)),
                ('changed_by', models.CharField(max_length=200)),
                ('changed_at', models.DateTimeField()),
                ('team', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='limits', to='people.team')),
            ],
            options={
                'verbose_name': 'limit',
                'verbose_name_plural': 'limits',
                'ordering': ['resource', 'team__name'],
            },
        ),
        migrations.CreateModel(
            name='LimitUse',
            fields=[
                ('pk', models.CompositePrimaryKey('limit_id', 'minute', 'agent_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('minute', models.IntegerField()),
                ('granted', models.IntegerField(default=0)),
                ('units', models.BigIntegerField(default=0)),
                ('delayed', models.IntegerField(default=0)),
                ('refused', models.IntegerField(default=0)),
                ('agent', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='agents.agent')),
                ('limit', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='uses', to='agents.limit')),
            ],
            options={
                'verbose_name': 'use of a limit',
                'verbose_name_plural': 'uses of limits',
            },
        ),
        migrations.CreateModel(
            name='Permit',
            fields=[
                ('id', models.UUIDField(default=audit.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('units', models.PositiveIntegerField(default=1)),
                ('is_lease', models.BooleanField(default=False)),
                ('asked_at', models.DateTimeField()),
                ('starts_at', models.DateTimeField(blank=True, null=True)),
                ('until', models.DateTimeField()),
                ('agent', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='permits', to='agents.agent')),
                ('limit', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='permits', to='agents.limit')),
                ('run', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='permits', to='agents.run')),
            ],
            options={
                'verbose_name': 'permit',
                'verbose_name_plural': 'permits',
                'ordering': ['asked_at', 'id'],
            },
        ),
        migrations.AddConstraint(
            model_name='limit',
            constraint=models.UniqueConstraint(fields=('resource', 'team'), name='resource_has_one_limit_in_a_team', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='limit',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('burst', None), ('count', None), ('period', None)), models.Q(('burst__isnull', False), ('count__isnull', False), ('period__isnull', False), ('burst__gt', 0), ('count__gt', 0), ('period__gt', datetime.timedelta(0))), _connector='OR'), name='rate_is_whole_and_positive'),
        ),
        migrations.AddConstraint(
            model_name='limit',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('concurrency', None), ('lease', None)), models.Q(('concurrency__isnull', False), ('lease__isnull', False), ('concurrency__gt', 0), ('lease__gt', datetime.timedelta(0))), _connector='OR'), name='concurrency_is_whole_and_positive'),
        ),
        migrations.AddConstraint(
            model_name='limit',
            constraint=models.CheckConstraint(condition=models.Q(('count__isnull', False), ('concurrency__isnull', False), _connector='OR'), name='limit_limits_something'),
        ),
        migrations.AddIndex(
            model_name='limituse',
            index=models.Index(fields=['minute'], name='limit_use_age'),
        ),
        migrations.AddIndex(
            model_name='permit',
            index=models.Index(fields=['limit', 'until'], name='permit_in_force'),
        ),
        migrations.AddIndex(
            model_name='permit',
            index=models.Index(fields=['until'], name='permit_age'),
        ),
        migrations.RunSQL(LIMITS.read_text(), DROP),
    ]
