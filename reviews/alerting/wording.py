"""What a message says: plain text, links that lead back, and an agent's words kept from doing anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from ..models import Alert, Notification
from ..models.notification import Why
from ..rules.alerts import KINDS, SEVERITY_WORDS
from ..rules.plain import line

TITLE = 200
TEXT = 1000


@dataclass(frozen=True)
class Message:
    title: str
    text: str
    severity: str


def message(notification: Notification) -> Message:
    """As things stand now: a message that waited says how many it has become meanwhile."""
    alert = notification.alert
    if alert is None:
        return test(notification)
    word = SEVERITY_WORDS[alert.severity]
    many = f" ({alert.count:,} times)" if alert.count > 1 else ""
    title = f"{word}: {line(alert.title, TITLE)}{many}"
    lines = [KINDS[alert.kind].words + whose(alert)]
    if alert.text and line(alert.text, TEXT) not in title:
        lines.append(line(alert.text, TEXT))
    if alert.count > 1:
        lines.append(
            f"{alert.count:,} of these since {moment(alert.opened_at)}; the newest is named."
        )
    if notification.why == Why.AGAIN:
        lines.append(f"Nobody has acknowledged it since {moment(alert.opened_at)}.")
    if alert.link:
        lines.append(f"Look and answer: {settings.WATCHFLOOR_URL}{alert.link}")
    lines.append(f"Acknowledge: {settings.WATCHFLOOR_URL}{alert.get_absolute_url()}")
    return Message(title, "\n".join(lines), alert.severity)


def whose(alert: Alert) -> str:
    agent = f" · {line(alert.agent.name, 80)}" if alert.agent else ""
    team = f" · {line(alert.team.name, 80)}" if alert.team else " · the whole house"
    return agent + team


def test(notification: Notification) -> Message:
    home = settings.WATCHFLOOR_URL + reverse("channel", args=[notification.channel_id])
    text = f"Alerts that are routed to this channel arrive here.\nIts page: {home}"
    return Message(line(notification.title, TITLE), text, "info")


def moment(at: datetime) -> str:
    """`21 Nov, 10:42 UTC`"""
    here = at.astimezone(timezone.get_default_timezone())
    return f"{here.day} {here:%b, %H:%M} {here.tzname()}"
