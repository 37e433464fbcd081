"""The Agent Approval Protocol's own books: requests, the instances that were provisioned, and who may provision."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from audit.constants import Constant
from audit.ids import new_id
from audit.models import Endpoint
from people.models import Team

from .action import Action
from .agent import Agent, AgentKey
from .visible import OfAgentQuerySet, scope_of

KEPT_FOR = timedelta(days=7)
"""How long a repeated provisioning is answered with its credential; the protocol's 168 hours."""


class AAPStatus(models.TextChoices):
    PENDING = "pending", _("Pending")
    APPROVED = "approved", _("Approved")
    DENIED = "denied", _("Denied")
    EXPIRED = "expired", _("Expired")
    CANCELLED = "cancelled", _("Cancelled")


class AAPRequestQuerySet(OfAgentQuerySet["AAPRequest"]):
    def pending(self) -> Self:
        return self.filter(status=Constant(AAPStatus.PENDING))

    def unjudged(self) -> Self:
        """Put off while the agent was paused: no action was written yet."""
        return self.pending().filter(action=None)

    def due(self, now: datetime) -> Self:
        return self.pending().filter(deadline_at__lte=now)


class AAPRequest(models.Model):
    """A tool call that asks over AAP. What was sent stays as it was sent, to the last digit.

    Its `action` is what breakers, policy, people and the record deal with; there is none while the request
    is put off. The outcome is kept here as well, because the protocol's never changes once it was told.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="aap_requests", db_index=False)
    key = models.ForeignKey(AgentKey, models.PROTECT, related_name="+", db_index=False)
    """The credential it came with; what was put off is proposed with it later."""
    idempotency = models.BinaryField(max_length=32)
    """SHA-256 of the Idempotency-Key."""
    digest = models.BinaryField(max_length=32)
    """SHA-256 of what was sent, by value and with exact numbers: the same key must come with the same."""
    tool = models.TextField()
    server = models.TextField(null=True, blank=True)
    arguments = models.TextField()
    """JSON as it was sent. jsonb would lose `1e2` and `1.10`, a float many more."""
    context = models.TextField(null=True, blank=True)
    timeout = models.CharField(max_length=40)
    agent_reasoning = models.TextField(null=True, blank=True)
    action = models.ForeignKey(
        Action, models.PROTECT, related_name="aap_requests", null=True, blank=True
    )
    status = models.CharField(max_length=9, choices=AAPStatus.choices, default=AAPStatus.PENDING)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    """Until when an approval may be used."""
    consume_key = models.BinaryField(max_length=32, null=True, blank=True)
    consumed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=9, blank=True)
    outcome_note = models.TextField(blank=True)
    reported_at = models.DateTimeField(null=True, blank=True)

    objects = AAPRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("AAP request")
        verbose_name_plural = _("AAP requests")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["deadline_at"], name="aap_due", condition=Q(status=AAPStatus.PENDING)
            ),
            models.Index(
                fields=["agent", "id"],
                name="aap_unjudged",
                condition=Q(status=AAPStatus.PENDING, action=None),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["agent", "idempotency"], name="aap_key_is_used_once"),
            models.UniqueConstraint(
                fields=["action"],
                condition=Q(status__in=[AAPStatus.PENDING, AAPStatus.APPROVED]),
                name="action_answers_one_aap_request",
            ),
            models.CheckConstraint(
                condition=Q(status__in=AAPStatus.values), name="aap_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(status=AAPStatus.PENDING, decided_at=None)
                | ~Q(status=AAPStatus.PENDING) & Q(decided_at__isnull=False),
                name="aap_pending_is_undecided",
            ),
            models.CheckConstraint(
                condition=Q(
                    status=AAPStatus.APPROVED,
                    action__isnull=False,
                    expires_at__gt=F("decided_at"),
                )
                | ~Q(status=AAPStatus.APPROVED) & Q(expires_at=None),
                name="aap_approval_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(consumed_at=None, consume_key=None)
                | Q(status=AAPStatus.APPROVED, consume_key__isnull=False),
                name="aap_consumes_approvals",
            ),
            models.CheckConstraint(
                condition=Q(outcome="", reported_at=None)
                | Q(
                    outcome__in=["succeeded", "failed"],
                    reported_at__isnull=False,
                    consumed_at__isnull=False,
                ),
                name="aap_outcome_is_of_something_consumed",
            ),
            models.CheckConstraint(
                condition=Q(deadline_at__gt=F("created_at")), name="aap_deadline_is_later"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool} ({self.status})"

    @property
    def record_name(self) -> str:
        return f"agents.aap_request:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return scope_of(self.agent, self.action.run_id if self.action else None)

    @property
    def is_pending(self) -> bool:
        return self.status == AAPStatus.PENDING

    @property
    def qualified_tool(self) -> str:
        """The tool as policies name it: two servers may have a tool of one name."""
        return f"{self.server}.{self.tool}" if self.server else self.tool


class Provisioner(models.Model):
    """Who may make AAP instances for a team: a platform that starts agents by itself."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.PROTECT, related_name="provisioners")
    label = models.CharField(max_length=80, blank=True)
    prefix = models.CharField(max_length=12)
    hash = models.BinaryField(unique=True, max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    verifications_until = models.DateTimeField(null=True, blank=True)
    """How far its verifications have used up their rate: the "theoretical arrival time" of GCRA."""

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Provisioner]]

    class Meta:
        verbose_name = _("provisioner")
        verbose_name_plural = _("provisioners")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.label or f"{self.prefix}…"

    @property
    def record_name(self) -> str:
        return f"agents.provisioner:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": str(self.team_id)}


class Instance(models.Model):
    """An agent that was provisioned. It has no agent until its receiver was verified.

    The credential is sealed under the provisioner's token, of which only the hash is kept: a repeated
    request can be answered, and a copy of the database, even with every setting, opens nothing.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provisioner = models.ForeignKey(
        Provisioner, models.PROTECT, related_name="instances", db_index=False
    )
    idempotency = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32)
    verifying_since = models.DateTimeField(null=True, blank=True)
    agent = models.OneToOneField(
        Agent, models.PROTECT, related_name="instance", null=True, blank=True
    )
    endpoint = models.ForeignKey(
        Endpoint, models.SET_NULL, related_name="+", null=True, blank=True, db_index=False
    )
    registration_id = models.CharField(max_length=36, blank=True)
    sealed_credential = models.BinaryField(null=True, blank=True)
    created_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Instance]]

    class Meta:
        verbose_name = _("instance")
        verbose_name_plural = _("instances")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["created_at"],
                name="instance_credential_kept",
                condition=Q(sealed_credential__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["provisioner", "idempotency"], name="instance_is_provisioned_once"
            ),
            models.CheckConstraint(
                condition=Q(agent=None, created_at=None)
                | Q(agent__isnull=False, created_at__isnull=False),
                name="instance_is_made_with_its_agent",
            ),
        ]

    def __str__(self) -> str:
        return str(self.agent or self.pk)

    @property
    def record_name(self) -> str:
        return f"agents.instance:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return scope_of(self.agent) if self.agent else {"team": str(self.provisioner.team_id)}


class InstanceUpdate(models.Model):
    """An update that was made, so that repeating it changes nothing."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    instance = models.ForeignKey(Instance, models.CASCADE, related_name="updates", db_index=False)
    idempotency = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32)
    verifying_since = models.DateTimeField(null=True, blank=True)
    answer = models.JSONField(null=True, blank=True)
    """What was answered; null until it was made."""

    class Meta:
        verbose_name = _("instance update")
        verbose_name_plural = _("instance updates")
        constraints = [
            models.UniqueConstraint(
                fields=["instance", "idempotency"], name="instance_is_updated_once"
            ),
        ]

    def __str__(self) -> str:
        return f"update of {self.instance_id}"
