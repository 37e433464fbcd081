"""An account whose holder wants to be forgotten: it keeps its id, which the record knows, and loses the rest."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from audit import signals
from audit.errors import Conflict
from audit.signals import FORMER, Redaction

from .models import Person


@receiver(signals.redacting)
def forget_account(redaction: Redaction, **_: Any) -> dict[str, int]:
    """Only once nobody signs in with it any more: they would not find their way back."""
    person = redaction.person
    if person is None or person.name.startswith(FORMER):
        return {}
    if redaction.really:
        if person.is_active:
            raise Conflict(
                f"{person.name} can still sign in: switch the account off first (manage.py person off)."
            )
        Person.objects.filter(pk=person.pk).update(name=redaction.alias, email="", time_zone="UTC")
    return {"account": 1}
