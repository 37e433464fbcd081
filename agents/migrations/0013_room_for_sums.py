"""What one report may say at most fits once, what such reports come to did not: then nothing could trip over it."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models


def wide(**more: Any) -> models.DecimalField[Any, Any]:
    return models.DecimalField(max_digits=24, decimal_places=6, **more)


class Migration(migrations.Migration):
    dependencies = [("agents", "0012_shared_accounts")]

    operations = [
        migrations.AlterField("breaker", "baseline", wide(default=0)),
        migrations.AlterField("bucket", "cost_usd", wide(default=0)),
        migrations.AlterField("run", "cost_usd", wide(default=0)),
        migrations.AlterField("trip", "value", wide(blank=True, null=True)),
    ]
