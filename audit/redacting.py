"""Messages that left the house keep a copy of what they told: it goes with the entry it was made of."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.dispatch import receiver

from . import signals
from .models import Delivery, DeliveryState, Endpoint
from .signals import Redaction

ERASED = '{"erased":true}'


@receiver(signals.redacting)
def let_go_of_messages(redaction: Redaction, **_: Any) -> dict[str, int]:
    """Bodies made of these entries, and direct messages that name a subject. One not sent yet says what is left."""
    of_entries = Delivery.objects.filter(entry__in=redaction.ids).exclude(body="", last_answer="")
    direct = Delivery.objects.filter(entry=None).exclude(state=DeliveryState.PENDING)
    ids = [name.partition(":")[2] for name in redaction.names if not name.startswith("person:")]
    naming = Q(pk__in=[])
    for one in filter(None, ids):
        naming |= Q(body__contains=one)
    direct = direct.filter(naming).exclude(body=ERASED)
    found = of_entries.count() + direct.count()
    if redaction.really:
        of_entries.update(body="", last_answer="")
        direct.update(body=ERASED, last_answer="")
        redaction.rename((Endpoint, "owner"))
    return {"message": found}
