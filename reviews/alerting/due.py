"""What the clock finds: alerts to say again, silences that are over, and what nobody sends a signal for."""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError
from django.db.models import CharField, Exists, OuterRef, Q, UUIDField, Value
from django.db.models.functions import Cast, Concat, Substr
from django.utils import timezone

from agents.models import Action, ActionState
from agents.rules.policy.durations import spoken
from audit import anchors
from audit.constants import Constant
from audit.models import Delivery, DeliveryState, EndpointKind, EndpointState
from audit.sealed import CannotUnseal
from people.models import Team

from ..models import Alert, Channel, ChannelState, Hold, Notification, Occurrence
from ..transitions import alert as alerts
from ..transitions.alert import Happening
from ..transitions.channel import bury

logger = logging.getLogger(__name__)

AT_ONCE = 200
SOON = timedelta(minutes=10)
"""An agent that is at work begins within this."""
LOOK_BACK = timedelta(days=1)
PROOF = "/record/proof/"
KEPT_FOR = timedelta(days=90)


def watch(now: datetime | None = None) -> None:
    """All of it. Twice is harmless, missed is found next time."""
    now = now or timezone.now()
    say_again(now)
    end_silences(now)
    find_unused(now)
    find_dead_webhooks(now)
    find_unproved(now)
    resolve_old(now)


def say_again(now: datetime) -> None:
    due = Alert.objects.firing().filter(repeat_at__lte=now).order_by("repeat_at")
    for pk in due.values_list("pk", flat=True)[:AT_ONCE]:
        alerts.repeat(pk)


def end_silences(now: datetime) -> None:
    over = Q(silence__until__lte=now) | Q(silence__ended_at__isnull=False)
    quiet = Alert.objects.firing().filter(over, silence__isnull=False)
    for pk in quiet.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]:
        alerts.unsilence(pk)


def find_unused(now: datetime) -> None:
    """Yeses of the last day that no agent has used; and those used since, which are no news any more."""
    key = Concat(Value("unused:"), Cast(OuterRef("pk"), CharField()))
    waiting = Action.objects.filter(
        ~Exists(Occurrence.objects.filter(key=key)),
        state=Constant(ActionState.APPROVED),
        decided_at__lt=now - SOON,
        decided_at__gt=now - LOOK_BACK,
    )
    since = dict(waiting.order_by("decided_at").values_list("pk", "decided_at")[:AT_ONCE])
    for hold in Hold.objects.select_related("agent__team").filter(pk__in=since):
        waited = spoken(timedelta(minutes=(now - (since[hold.pk] or now)) // timedelta(minutes=1)))
        told(
            Happening(
                kind="unused",
                title=hold.title,
                text=f"Approved {waited} ago, and {hold.agent} has not begun.",
                team=hold.agent.team,
                agent=hold.agent,
                link=hold.get_absolute_url(),
                key=f"unused:{hold.pk}",
                lasts=True,
            )
        )
    _end_used()


def _end_used() -> None:
    still = Action.objects.filter(
        pk=Cast(Substr(OuterRef("key"), len("unused:") + 1), UUIDField()),
        state=Constant(ActionState.APPROVED),
    )
    used = Occurrence.objects.filter(~Exists(still), key__startswith="unused:", over_at=None)
    by_alert: dict[UUID, list[str]] = {}
    for alert, key in used.order_by("pk").values_list("alert_id", "key")[:AT_ONCE]:
        by_alert.setdefault(alert, []).append(key)
    for pk, keys in by_alert.items():
        alerts.end(pk, keys)


def find_dead_webhooks(now: datetime) -> None:
    """Messages that a webhook which people still want did not take within a day."""
    key = Concat(Value("delivery:"), Cast(OuterRef("pk"), CharField()))
    dead = Delivery.objects.filter(
        ~Exists(Occurrence.objects.filter(key=key)),
        state=Constant(DeliveryState.DEAD),
        closed_at__gt=now - LOOK_BACK,
        endpoint__kind=EndpointKind.WEBHOOK,
        endpoint__state=EndpointState.ACTIVE,
    )
    for delivery in dead.select_related("endpoint").order_by("pk")[:AT_ONCE]:
        endpoint = delivery.endpoint
        told(
            Happening(
                kind="webhook",
                title=f"{delivery.type} never reached {endpoint}",
                text=delivery.last_error,
                team=Team.objects.filter(pk=endpoint.team).first() if endpoint.team else None,
                link=f"/settings/webhooks/{endpoint.pk}/messages/{delivery.pk}/",
                key=f"delivery:{delivery.pk}",
            )
        )


def find_unproved(now: datetime) -> None:
    """A log that stands still, and places outside that do not keep its checkpoints; and those that are well again."""
    found = anchors.standing(now)
    wrong: dict[str, tuple[str, str]] = {}
    if found.halted_at is not None:
        wrong[f"halt:{found.halted_at.isoformat()}"] = (
            "The record’s log stands still",
            found.halted_reason,
        )
    for place in found.places:
        if not place.is_well and place.state != "never":
            # Its last success names the time in which it fails: the next time is news again.
            key = f"anchor:{place.where}"[:170] + f":{place.size}"
            text = place.error or f"{place.behind:,} entries wait to be kept there."
            wrong[key] = (f"{place.kind} {place.where}: {place.state}", text)
    for key, (title, text) in wrong.items():
        told(Happening("record", title, None, text=text, link=PROOF, key=key, lasts=True))
    of_record = Q(key__startswith="halt:") | Q(key__startswith="anchor:")
    over = Occurrence.objects.filter(of_record, over_at=None).exclude(key__in=wrong)
    by_alert: dict[UUID, list[str]] = {}
    for alert, key in over.order_by("pk").values_list("alert_id", "key")[:AT_ONCE]:
        by_alert.setdefault(alert, []).append(key)
    for pk, keys in by_alert.items():
        alerts.end(pk, keys)


def told(happening: Happening) -> None:
    """One that cannot be written must not keep the others from being."""
    try:
        alerts.fire(happening)
    except DatabaseError:
        logger.exception("An alert could not be written")


def resolve_old(now: datetime) -> None:
    """What nothing has waited on for a day."""
    waits = Occurrence.objects.filter(alert=OuterRef("pk"), over_at=None)
    old = Alert.objects.unresolved().filter(
        ~Exists(waits), last_at__lte=now - alerts.RESOLVED_AFTER
    )
    for pk in old.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]:
        alerts.resolve_old(pk)


def forget(now: datetime | None = None) -> None:
    """Messages that are old go away, and those of channels that are gone; seals are renewed."""
    now = now or timezone.now()
    old = Notification.objects.filter(closed_at__lt=now - KEPT_FOR)
    while some := list(old.values_list("pk", flat=True)[:1000]):
        Notification.objects.filter(pk__in=some).delete()
    for channel in Channel.objects.exclude(state=ChannelState.ACTIVE):
        bury(channel)
    for channel in Channel.objects.living().exclude(target=""):
        before = channel.target
        with contextlib.suppress(CannotUnseal):  # sending says so where people see it
            if channel.renew_seal():
                Channel.objects.filter(pk=channel.pk, target=before).update(target=channel.target)
