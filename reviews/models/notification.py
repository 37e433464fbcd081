"""Notifications: one alert on its way to one channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .alert import Alert
from .channel import Channel, Route


class NotificationState(models.TextChoices):
    PENDING = "pending", _("On its way")
    FAILED = "failed", _("Will be tried again")
    SENT = "sent", _("Sent")
    DEAD = "dead", _("Dead")
    DROPPED = "dropped", _("Not needed any more")


class Why(models.TextChoices):
    NEW = "new", _("New")
    MORE = "more", _("More of it")
    AGAIN = "again", _("Not acknowledged")
    TEST = "test", _("Test")


UNSENT = (NotificationState.PENDING, NotificationState.FAILED)


class Notification(models.Model):
    """A message. What it says is written when it is sent: of how many, and whether still."""

    id = models.BigAutoField(primary_key=True)
    alert = models.ForeignKey(
        Alert, models.CASCADE, related_name="notifications", null=True, blank=True, db_index=False
    )
    channel = models.ForeignKey(
        Channel, models.CASCADE, related_name="notifications", db_index=False
    )
    route = models.ForeignKey(Route, models.SET_NULL, related_name="+", null=True, blank=True)
    why = models.CharField(max_length=5, choices=Why.choices, default=Why.NEW)
    state = models.CharField(
        max_length=7, choices=NotificationState.choices, default=NotificationState.PENDING
    )
    attempts = models.PositiveIntegerField(default=0)
    """Since it was made, or sent again by a person."""
    next_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True, blank=True)
    """Somebody is sending it. The exact moment is also their token: only they may say how it went."""
    title = models.TextField(blank=True)
    text = models.TextField(blank=True)
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    last_answer = models.TextField(blank=True)
    tries = models.JSONField(default=list)
    """`[{at, ms, status or null, error}, …]`, the oldest first."""
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Notification]]

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["channel", "next_at"],
                name="notification_due",
                condition=models.Q(state__in=["pending", "failed"]),
            ),
            models.Index(
                fields=["channel"],
                name="notification_in_flight",
                condition=models.Q(leased_until__isnull=False),
            ),
            models.Index(fields=["channel", "-id"], name="notification_of_channel"),
            models.Index(fields=["alert", "-id"], name="notification_of_alert"),
            models.Index(
                fields=["closed_at"],
                name="notification_over",
                condition=models.Q(closed_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "channel"],
                condition=models.Q(state__in=["pending", "failed"], alert__isnull=False),
                name="channel_is_told_once_of_an_alert",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["pending", "failed"], closed_at=None)
                | models.Q(
                    state__in=["sent", "dead", "dropped"],
                    closed_at__isnull=False,
                    leased_until=None,
                ),
                name="notification_is_under_way_or_over",
            ),
            models.CheckConstraint(
                condition=models.Q(why="test") | models.Q(alert__isnull=False),
                name="notification_tells_of_an_alert",
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"Notification {self.pk}"

    @property
    def is_unsent(self) -> bool:
        return self.state in UNSENT

    @property
    def is_in_flight(self) -> bool:
        return self.leased_until is not None and self.leased_until > timezone.now()

    @property
    def last_try(self) -> dict[str, Any] | None:
        return self.tries[-1] if self.tries else None
