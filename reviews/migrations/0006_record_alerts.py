"""Alerts may be about the record itself: its log stands still, or nobody outside keeps it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reviews', '0005_alerts_end_in_lines'),
    ]

    operations = [
        migrations.AlterField(
            model_name='alert',
            name='kind',
            field=models.CharField(choices=[('trip', 'Agent or run stopped'), ('fleet', 'Fleet guard'), ('record', 'The record needs a person'), ('reminder', 'Deadline comes near'), ('escalation', 'Escalated'), ('expiry', 'Nobody answered in time'), ('unused', 'Approved, not executed'), ('budget', 'Budget nearly spent'), ('webhook', 'Webhook message dead'), ('approval', 'Approval waits'), ('review', 'Review waits'), ('shadow', 'Shadow breaker')], max_length=20),
        ),
        migrations.AlterField(
            model_name='silence',
            name='kind',
            field=models.CharField(blank=True, choices=[('trip', 'Agent or run stopped'), ('fleet', 'Fleet guard'), ('record', 'The record needs a person'), ('reminder', 'Deadline comes near'), ('escalation', 'Escalated'), ('expiry', 'Nobody answered in time'), ('unused', 'Approved, not executed'), ('budget', 'Budget nearly spent'), ('webhook', 'Webhook message dead'), ('approval', 'Approval waits'), ('review', 'Review waits'), ('shadow', 'Shadow breaker')], max_length=20),
        ),
    ]
