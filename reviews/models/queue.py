"""Queues, and the kept count of what waits in them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from agents.models.visible import VisibleQuerySet
from audit.ids import new_id
from people.models import Team


class Queue(models.Model):
    """Where holds wait; belongs to a team."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.PROTECT, related_name="queues", db_index=False)
    name = models.CharField(max_length=80)

    objects = VisibleQuerySet["Queue"].as_manager()

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="queue_name_is_free_in_its_team")
        ]

    def __str__(self) -> str:
        return self.name


class QueueCountQuerySet(VisibleQuerySet["QueueCount"]):
    team_path = "queue__team_id"


class QueueCount(models.Model):
    """How many holds of one kind are open in a queue. A trigger on the holds keeps it."""

    id = models.BigAutoField(primary_key=True)
    queue = models.ForeignKey(Queue, models.CASCADE, related_name="counts", db_index=False)
    kind = models.CharField(max_length=8)
    waiting = models.IntegerField(default=0)

    objects = QueueCountQuerySet.as_manager()

    class Meta:
        verbose_name = _("queue count")
        verbose_name_plural = _("queue counts")
        constraints = [
            models.UniqueConstraint(fields=["queue", "kind"], name="queue_counts_each_kind_once"),
            models.CheckConstraint(
                condition=models.Q(waiting__gte=0), name="waiting_is_never_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.waiting} {self.kind}"
