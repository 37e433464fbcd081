"""Anchors: checkpoints that somebody outside has seen, so that a record rewritten here would not go unnoticed."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class AnchorKind(models.TextChoices):
    FILE = "file", _("File")
    WEBHOOK = "webhook", _("Webhook")
    WITNESS = "witness", _("Witness")


class AnchorState(models.TextChoices):
    KEPT = "kept", _("Kept")
    FAILED = "failed", _("Failed")
    INCONSISTENT = "inconsistent", _("Knows another record")
    ACCEPTED = "accepted", _("Accepted by an admin")
    """Somebody said openly that the record goes on although this anchor knows another one."""


class Anchor(models.Model):
    """One try to have a checkpoint kept outside, and what came of it. Only ever added."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=7, choices=AnchorKind.choices)
    where = models.CharField(max_length=300)
    """A path, a witness's name, or `webhooks`."""
    state = models.CharField(max_length=12, choices=AnchorState.choices)
    size = models.BigIntegerField()
    """Of the tree that was kept; of the one they know, where that is not ours."""
    root = models.BinaryField(max_length=32, default=b"")
    at = models.DateTimeField(db_default=Now())
    cosignature = models.TextField(blank=True)
    """A witness's line for the note (C2SP tlog-cosignature)."""
    error = models.TextField(blank=True)

    objects: ClassVar[models.Manager[Anchor]]

    class Meta:
        verbose_name = _("anchor")
        verbose_name_plural = _("anchors")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["kind", "where", "-id"], name="anchor_of_place"),
            models.Index(
                fields=["kind", "where", "-id"],
                name="anchor_kept",
                condition=models.Q(state="kept"),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=AnchorKind.values), name="anchor_kind_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=AnchorState.values), name="anchor_state_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.where}: {self.state} at {self.size}"
