"""Bundles too large to wait for: who asked for which, and whether the file is there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id

KEPT_FOR = timedelta(days=7)


class ExportState(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    MAKING = "making", _("Being made")
    MADE = "made", _("Ready")
    FAILED = "failed", _("Failed")


class Export(models.Model):
    """One bundle that is made in the background, for whoever asked and nobody else."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    by = models.CharField(max_length=200)
    """Who asked, as the record names them."""
    name = models.CharField(max_length=200)
    """The same in words: a bundle says who it was made for."""
    title = models.CharField(max_length=300)
    about = models.JSONField()
    """Which entries (`audit.evidence.scope`)."""
    older = models.TextField(blank=True)
    """A checkpoint that it shall be shown to continue."""
    state = models.CharField(max_length=7, choices=ExportState.choices, default=ExportState.WAITING)
    count = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    begun_at = models.DateTimeField(null=True, blank=True)
    made_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Export]]

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering = ["-id"]
        indexes = [models.Index(fields=["by", "-id"], name="export_of_person")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=ExportState.values), name="export_state_is_known"
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def path(self) -> Path:
        """Where the file is, or will be: below the data folder, which several machines must share."""
        return Path(settings.DATA) / "evidence" / f"{self.pk}.zip"

    @property
    def is_ready(self) -> bool:
        return self.state == ExportState.MADE and self.path.exists()
