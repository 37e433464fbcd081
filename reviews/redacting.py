"""What waited for a person and what was said: copies of what is erased from the record; and what belongs to a case."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from agents.models import Action
from audit import signals
from audit.errors import Conflict
from audit.signals import Redaction

from . import cases
from .models import Alert, Channel, Hold, HoldState, Notification, Silence
from .models.alert import Occurrence
from .models.vote import Comment, Vote

ERASED = "Erased"
SIGNED = (
    (Alert, "acknowledged_by"),
    (Alert, "resolved_by"),
    (Channel, "created_by"),
    (Hold, "decided_by"),
    (Silence, "by"),
    (Silence, "ended_by"),
)
"""Columns that keep, readably, who it was."""


@receiver(signals.redacting)
def let_go(redaction: Redaction, **_: Any) -> dict[str, int]:
    holds = Hold.objects.filter(pk__in=redaction.of("reviews.hold"))
    ids = list(holds.values_list("pk", flat=True))
    told = holds.exclude(title=ERASED)
    comments = Comment.objects.filter(hold__in=ids).exclude(text=ERASED)
    notes = Vote.objects.filter(hold__in=ids).exclude(note="")
    happened = Occurrence.objects.filter(hold__in=ids).exclude(title=ERASED)
    alerts = Alert.objects.filter(
        pk__in=[*happened.values_list("alert_id", flat=True), *redaction.of("reviews.alert")]
    ).exclude(title=ERASED)
    alert_ids = list(alerts.values_list("pk", flat=True))
    notices = Notification.objects.filter(alert__in=alert_ids)
    if redaction.person is not None:
        comments |= Comment.objects.filter(author=redaction.person).exclude(text=ERASED)
        notes |= Vote.objects.filter(person=redaction.person).exclude(note="")
    counts = {
        "hold": told.count(),
        "comment": comments.count() + notes.count(),
        "alert": len(alert_ids),
        "notice": notices.count(),
    }
    if redaction.really:
        if told.filter(state=HoldState.OPEN).exists():
            raise Conflict("It still waits for a person: answer it first.")
        notices.update(title="", text="", last_answer="")
        happened.update(title=ERASED)
        alerts.update(title=ERASED, text="")
        redaction.rename(*SIGNED)
        comments.update(text=ERASED)
        notes.update(note="")
        Hold.objects.filter(pk__in=ids).update(
            title=ERASED, reason="", subject="", payload=None, note="", candidate=None
        )
    return counts


@receiver(signals.naming_case)
def name_case(subject: str, **_: Any) -> list[str]:
    """The versions of a request, its holds, its stop and its alerts."""
    noun, _colon, key = subject.partition(":")
    hold = Hold.objects.filter(pk=key).first() if noun == "reviews.hold" else None
    action = Action.objects.filter(pk=key).first() if noun == "agents.action" else None
    if hold is not None and (hold.action is None or hold.trip is not None):
        return cases.Case(hold.pk, hold, hold.action, hold.trip, [], [hold]).names
    action = hold.action if hold else action
    if action is None:
        return []
    versions = cases._versions(action)
    holds = list(Hold.objects.filter(action__in=versions))
    return cases.Case(action.pk, hold, action, None, versions, holds).names
