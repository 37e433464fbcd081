"""Who is signed in, and how often someone tried to be."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# The table that Django's database cache expects; unlogged, because a crash may forget attempts.
ATTEMPTS = """
create unlogged table dashboard_cache (
    cache_key varchar(255) primary key,
    value text not null,
    expires timestamptz not null
);
create index dashboard_cache_expires on dashboard_cache (expires);
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Session",
            fields=[
                (
                    "session_key",
                    models.CharField(
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                        verbose_name="session key",
                    ),
                ),
                ("session_data", models.TextField(verbose_name="session data")),
                (
                    "expire_date",
                    models.DateTimeField(db_index=True, verbose_name="expire date"),
                ),
                (
                    "person",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "abstract": False,
            },
        ),
        migrations.RunSQL(ATTEMPTS, "drop table dashboard_cache"),
    ]
