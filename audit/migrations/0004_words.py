"""Entries can be searched by their words, which are kept apart from what is hashed."""

from pathlib import Path

import django.contrib.postgres.search
from django.db import migrations, models

TEXT = Path(__file__).parent.parent / "sql" / "text.sql"


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0003_lines_and_tree'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='Text',
                    fields=[
                        ('pk', models.CompositePrimaryKey('line', 'at', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('line', models.BigIntegerField()),
                        ('at', models.DateTimeField()),
                        ('words', django.contrib.postgres.search.SearchVectorField()),
                    ],
                ),
                migrations.CreateModel(
                    name='Indexed',
                    fields=[
                        ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                        ('next', models.BigIntegerField(default=0)),
                    ],
                ),
            ],
            database_operations=[migrations.RunSQL(TEXT.read_text())],
        ),
    ]
