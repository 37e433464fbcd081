"""Groups: persons of a team whom policies name when they say who approves."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.ids import new_id

from .team import Team


class Group(models.Model):
    """Some of those who watch a team (`trading-leads`). It gives no role: who only reads still only reads."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="groups", db_index=False)
    name = models.CharField(max_length=80)
    members = models.ManyToManyField("people.Person", related_name="approval_groups", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Group]]

    class Meta:
        verbose_name = _("group")
        verbose_name_plural = _("groups")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="group_name_is_free_in_its_team")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def record_name(self) -> str:
        return f"people.group:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": str(self.team_id)}
