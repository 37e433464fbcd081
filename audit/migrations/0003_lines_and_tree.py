"""The record becomes a log: lines that are hashed, payloads beside them, and the tree over all.

What was `audit_entry` is the table of lines from now on, and `audit_entry` a view that looks as the table did.
"""

from pathlib import Path

import django.db.models.functions.datetime
from django.db import migrations, models

LINES = Path(__file__).parent.parent / "sql" / "lines.sql"


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0002_outbox'),
    ]

    operations = [
        migrations.CreateModel(
            name='Checkpoint',
            fields=[
                ('size', models.BigIntegerField(primary_key=True, serialize=False)),
                ('root', models.BinaryField()),
                ('note', models.TextField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ['-size'],
            },
        ),
        migrations.CreateModel(
            name='Leaf',
            fields=[
                ('index', models.BigIntegerField(primary_key=True, serialize=False)),
                ('line', models.BigIntegerField(unique=True)),
                ('data', models.TextField()),
                ('hash', models.BinaryField()),
            ],
            options={
                'verbose_name_plural': 'leaves',
            },
        ),
        migrations.CreateModel(
            name='LogKey',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('key_hash', models.BinaryField(max_length=4)),
                ('public', models.BinaryField(max_length=32)),
                ('sealed', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('retired_at', models.DateTimeField(blank=True, null=True)),
                ('from_size', models.BigIntegerField(default=0)),
                ('rotation', models.TextField(blank=True)),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Pending',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
            ],
        ),
        migrations.CreateModel(
            name='Tile',
            fields=[
                ('pk', models.CompositePrimaryKey('level', 'index', blank=True, editable=False, primary_key=True, serialize=False)),
                ('level', models.SmallIntegerField()),
                ('index', models.BigIntegerField()),
                ('hashes', models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name='Log',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('origin', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('halted_at', models.DateTimeField(blank=True, null=True)),
                ('halted_reason', models.TextField(blank=True)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='there_is_one_log')],
            },
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='Payload',
                    fields=[
                        ('pk', models.CompositePrimaryKey('id', 'at', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('id', models.BigIntegerField()),
                        ('at', models.DateTimeField()),
                        ('salt', models.UUIDField(db_default=models.Func(function='gen_random_uuid'))),
                        ('body', models.TextField()),
                    ],
                ),
                migrations.AlterModelOptions(
                    name='entry',
                    options={'managed': False, 'ordering': ['-id'], 'verbose_name': 'entry', 'verbose_name_plural': 'entries'},
                ),
                migrations.CreateModel(
                    name='Line',
                    fields=[
                        ('id', models.BigAutoField(primary_key=True, serialize=False)),
                        ('at', models.DateTimeField(db_default=models.Func(function='clock_timestamp'))),
                        ('kind', models.CharField(max_length=60)),
                        ('version', models.SmallIntegerField(db_default=1)),
                        ('actor', models.CharField(max_length=200)),
                        ('about', models.CharField(max_length=200)),
                        ('team', models.CharField(blank=True, max_length=36)),
                        ('agent', models.CharField(blank=True, max_length=36)),
                        ('run', models.CharField(blank=True, max_length=36)),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(fields=['about', '-id'], name='entry_about'), models.Index(fields=['team', '-id'], name='entry_team'), models.Index(condition=models.Q(('run', ''), _negated=True), fields=['run', '-id'], name='entry_run'), models.Index(fields=['agent', '-id'], name='entry_agent'), models.Index(fields=['kind', '-id'], name='entry_kind'), models.Index(condition=models.Q(('actor__startswith', 'person:')), fields=['actor', '-id'], name='entry_person')],
                    },
                ),
            ],
            database_operations=[migrations.RunSQL(LINES.read_text())],
        ),
    ]
