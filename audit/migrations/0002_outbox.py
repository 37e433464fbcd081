"""Endpoints, deliveries, and the trigger that writes a delivery for every entry somebody listens for."""

import audit.ids
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

# Whoever writes an entry, and however, the endpoints that listen get their row in the same transaction. It costs
# one look at a small partial index when nobody listens. `for key share`: an endpoint that is being removed is
# waited for instead of breaking the transaction of whoever has something to tell.
TELL = """
create function audit_tell() returns trigger language plpgsql as $$
begin
    insert into audit_delivery (endpoint_id, entry_id, message_id, type)
    select e.id, new.id, 'evt_' || new.id || '_' || replace(e.id::text, '-', ''), new.kind
      from audit_endpoint e
     where e.state = 'active' and e.kind = 'webhook' and e.team in (new.team, '')
       and e.events && array[new.kind, split_part(new.kind, '.', 1) || '.*']::varchar[]
       for key share of e;
    return null;
end $$;
create trigger entries_are_told after insert on audit_entry for each row execute function audit_tell();
"""

TELL_NOBODY = """
drop trigger entries_are_told on audit_entry;
drop function audit_tell();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('id', models.UUIDField(default=audit.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('webhook', 'Webhook'), ('aap', 'AAP instance')], default='webhook', max_length=7)),
                ('team', models.CharField(blank=True, max_length=36)),
                ('owner', models.CharField(max_length=200)),
                ('label', models.CharField(blank=True, max_length=80)),
                ('url', models.CharField(max_length=2000)),
                ('secret', models.TextField()),
                ('events', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), blank=True, default=list)),
                ('state', models.CharField(choices=[('active', 'Active'), ('disabled', 'Disabled'), ('deleted', 'Deleted')], default='active', max_length=8)),
                ('state_reason', models.CharField(blank=True, max_length=300)),
                ('failures', models.PositiveIntegerField(default=0)),
                ('rests_until', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name': 'endpoint',
                'verbose_name_plural': 'endpoints',
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('kind', 'webhook'), ('state', 'active')), fields=['team'], name='endpoint_listens')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['webhook', 'aap'])), name='endpoint_kind_is_known'), models.CheckConstraint(condition=models.Q(('state__in', ['active', 'disabled', 'deleted'])), name='endpoint_state_is_known'), models.CheckConstraint(condition=models.Q(('url__startswith', 'https://'), ('url__startswith', 'http://'), _connector='OR'), name='endpoint_speaks_http')],
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('message_id', models.CharField(max_length=100)),
                ('type', models.CharField(max_length=60)),
                ('body', models.TextField(blank=True, db_default='')),
                ('state', models.CharField(choices=[('pending', 'On its way'), ('delivered', 'Delivered'), ('dead', 'Dead')], db_default='pending', default='pending', max_length=9)),
                ('attempts', models.PositiveIntegerField(db_default=0, default=0)),
                ('next_at', models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), null=True)),
                ('leased_until', models.DateTimeField(blank=True, null=True)),
                ('last_status', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('last_error', models.TextField(blank=True, db_default='')),
                ('last_answer', models.TextField(blank=True, db_default='')),
                ('tries', models.JSONField(db_default=[], default=list)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('entry', models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, to='audit.entry')),
                ('endpoint', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='audit.endpoint')),
            ],
            options={
                'verbose_name': 'delivery',
                'verbose_name_plural': 'deliveries',
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('state', 'pending')), fields=['endpoint', 'next_at'], name='delivery_due'), models.Index(condition=models.Q(('leased_until__isnull', False)), fields=['endpoint'], name='delivery_in_flight'), models.Index(fields=['endpoint', '-id'], name='delivery_of_endpoint'), models.Index(condition=models.Q(('state', 'dead')), fields=['endpoint', '-id'], name='delivery_dead'), models.Index(condition=models.Q(('state', 'pending'), _negated=True), fields=['closed_at'], name='delivery_over')],
                'constraints': [models.UniqueConstraint(fields=('endpoint', 'message_id'), name='message_is_delivered_once'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('next_at__isnull', False), ('state', 'pending')), models.Q(('closed_at__isnull', False), ('leased_until', None), ('state__in', ['delivered', 'dead'])), _connector='OR'), name='delivery_is_pending_or_over'), models.CheckConstraint(condition=models.Q(('entry__isnull', False), models.Q(('body', ''), _negated=True), _connector='OR'), name='direct_delivery_has_its_body')],
            },
        ),
        migrations.RunSQL(TELL, TELL_NOBODY),
    ]
