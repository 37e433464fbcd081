"""Actions: the breaker's evidence, the approval's subject, the idempotency ledger's entry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from audit.constants import Constant
from audit.ids import new_id

from .agent import Agent
from .breaker import Breaker
from .run import Run
from .visible import OfAgentQuerySet, scope_of


class ActionState(models.TextChoices):
    ALLOWED = "allowed", _("Allowed")
    HELD = "held", _("Waiting for a person")
    DENIED = "denied", _("Denied")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    EXPIRED = "expired", _("Expired")
    CANCELLED = "cancelled", _("Cancelled")
    EXECUTING = "executing", _("Executing")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    UNKNOWN = "unknown", _("Outcome unknown")


MAY_TAKE_EFFECT = (
    ActionState.ALLOWED,
    ActionState.HELD,
    ActionState.APPROVED,
    ActionState.EXECUTING,
    ActionState.SUCCEEDED,
    ActionState.UNKNOWN,
)
"""States that occupy an idempotency key: the write has happened, or may yet."""


class ActionKind(models.TextChoices):
    TOOL = "tool", _("Tool call")
    MODEL = "model", _("Model call")
    WRITE = "write", _("External write")


class Decision(models.TextChoices):
    """What was said about a held action."""

    APPROVED = "approved", _("Approved")
    EDITED = "edited", _("Approved with changes")
    REJECTED = "rejected", _("Rejected")
    ANSWERED = "answered", _("Answered")
    ASKED = "asked", _("Asked")


class CostSource(models.TextChoices):
    """Where `cost_usd` comes from; empty when it costs nothing, or nobody knows."""

    REPORTED = "reported", _("Reported")
    PRICED = "priced", _("By the price table")
    ASSUMED = "assumed", _("Assumed: what was reserved for it")
    VOIDED = "voided", _("Voided")


class ActionQuerySet(OfAgentQuerySet["Action"]):
    def overdue(self) -> Self:
        """Executing, but the outcome never came within the lease."""
        return self.executing().filter(lease_until__lt=Now())

    def lapsed(self) -> Self:
        """Allowed, but not begun while its reservation was kept."""
        return self.filter(state=Constant(ActionState.ALLOWED), expires_at__lt=Now())

    def executing(self) -> Self:
        return self.filter(state=Constant(ActionState.EXECUTING))

    def waiting(self) -> Self:
        """Held, or approved and not begun."""
        return self.filter(
            Q(state=Constant(ActionState.HELD)) | Q(state=Constant(ActionState.APPROVED))
        )


class Action(models.Model):
    """One thing a run wants to do. See the state machine in the design; `transitions/action.py` moves it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(
        Agent, models.PROTECT, related_name="actions", db_index=False, db_constraint=False
    )
    run = models.ForeignKey(
        Run, models.PROTECT, related_name="actions", db_index=False, db_constraint=False
    )
    """Its agent's: both together refer to a run and its agent (`action_of_its_agents_run`), which PostgreSQL checks."""
    call_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=5, choices=ActionKind.choices, default=ActionKind.TOOL)
    tool = models.CharField(max_length=200)
    subject = models.CharField(max_length=500, blank=True)
    item = models.CharField(max_length=500)
    """What a loop is judged by: the subject, or a digest of the arguments where there is none."""
    step = models.CharField(max_length=200, blank=True)
    attempt = models.PositiveSmallIntegerField(default=1)
    idempotency_key = models.CharField(max_length=200, blank=True, default="", db_default="")
    arguments = models.JSONField(default=dict)
    approved_arguments = models.JSONField(null=True, blank=True)
    digest = models.BinaryField(max_length=32)
    """SHA-256 of what was proposed: a repeated call id must carry the same."""
    approval_digest = models.BinaryField(max_length=32, null=True, blank=True)
    """SHA-256 of what was approved; re-checked when the approval is consumed."""
    report_digest = models.BinaryField(max_length=32, null=True, blank=True)
    """SHA-256 of the outcome as reported: the same report again is harmless, another is refused."""
    policy_version = models.CharField(max_length=24, default="0.0")
    """Which policies judged it: the numbers of the team's and of the agent's version, `"3.7"`."""
    rule = models.CharField(max_length=80, blank=True, default="", db_default="")
    """The policy rule that decided about it, by name."""
    requirement = models.JSONField(null=True, blank=True)
    """Whose approval it needs, as the rule had it then; see `rules.policy.Requirement`."""
    state = models.CharField(max_length=10, choices=ActionState.choices)
    gated = models.BooleanField(default=True)
    code = models.CharField(max_length=40, blank=True)
    state_reason = models.TextField(blank=True)
    reason = models.TextField(blank=True, default="", db_default="")
    """Why, in the agent's words. Hostile until shown escaped."""
    on_behalf_of = models.CharField(max_length=200, blank=True)
    """The person for whom the agent acts, by name or e-mail; they cannot approve it."""
    revises = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="revisions", db_index=False
    )
    """The request a person asked about, of which this is the new version."""
    remembered = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    """The rejected request whose answer this one got at once."""
    amount = models.DecimalField(max_digits=24, decimal_places=6, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    estimated_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    estimated_cost_usd = models.DecimalField(
        max_digits=18, decimal_places=6, default=0, db_default=0
    )
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cached_tokens = models.PositiveBigIntegerField(db_default=0)
    """Part of the input: read from the provider's cache, at a price of its own."""
    cache_write_tokens = models.PositiveBigIntegerField(db_default=0)
    """Part of the input: written to the provider's cache."""
    cost_usd = models.DecimalField(max_digits=18, decimal_places=6, default=0)
    model = models.CharField(max_length=120, blank=True)
    result = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    trace_url = models.CharField(max_length=1000, blank=True)
    fingerprint = models.BinaryField(max_length=8, null=True, blank=True)
    """What it did, whatever its counters: see `rules/breakers/loops.py`. None unless a breaker looks for circles."""
    is_malformed = models.BooleanField(default=False)
    """Its output could not be read."""
    accounts = ArrayField(models.UUIDField(), default=list, blank=True)
    """The budget accounts that its estimate is reserved in and its cost is spent from."""
    cost_source = models.CharField(max_length=8, choices=CostSource.choices, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    """A person asked to stop it while it executes; agents that can, do."""
    resume = models.JSONField(null=True, blank=True)
    claim_id = models.CharField(max_length=100, blank=True, default="", db_default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    probe_of = models.ForeignKey(
        Breaker, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    probe_generation = models.PositiveIntegerField(null=True, blank=True)
    decision = models.CharField(
        max_length=10, choices=Decision.choices, blank=True, default="", db_default=""
    )
    message = models.TextField(blank=True, default="", db_default="")
    decided_by = models.CharField(max_length=200, blank=True, default="", db_default="")
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    """Held: when it expires. Approved: until when the approval may be used. Allowed: how long what it
    reserved is kept for it."""
    delivered_at = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = ActionQuerySet.as_manager()

    class Meta:
        verbose_name = _("action")
        verbose_name_plural = _("actions")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["agent", "item", "created_at"], name="action_item"),
            models.Index(fields=["run", "id"], name="action_of_run"),
            models.Index(fields=["agent", "id"], name="action_of_agent"),
            models.Index(
                fields=["lease_until"],
                name="action_executing",
                condition=models.Q(state=ActionState.EXECUTING),
            ),
            models.Index(
                fields=["agent"],
                name="action_in_flight",
                condition=models.Q(state=ActionState.EXECUTING),
            ),
            models.Index(
                fields=["run", "cancel_requested_at"],
                name="action_to_cancel",
                condition=models.Q(state=ActionState.EXECUTING, cancel_requested_at__isnull=False),
            ),
            models.Index(
                fields=["expires_at"],
                name="action_unclaimed",
                condition=models.Q(state=ActionState.ALLOWED, expires_at__isnull=False),
            ),
            models.Index(
                fields=["agent", "run"],
                name="action_open",
                condition=models.Q(state__in=[ActionState.HELD, ActionState.APPROVED]),
            ),
            models.Index(
                fields=["run"],
                name="action_undelivered",
                condition=models.Q(decided_at__isnull=False, delivered_at=None),
            ),
            models.Index(
                fields=["agent", "digest", "-decided_at"],
                name="action_rejected",
                condition=models.Q(decision="rejected"),
            ),
            models.Index(
                fields=["run", "tool", "-id"],
                name="action_asked",
                condition=models.Q(decision="asked"),
            ),
            models.Index(
                fields=["agent", "-decided_at"],
                name="action_approved",
                condition=models.Q(state=ActionState.APPROVED),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["revises"],
                condition=models.Q(revises__isnull=False),
                name="request_has_one_next_version",
            ),
            models.UniqueConstraint(fields=["run", "call_id"], name="call_is_proposed_once"),
            models.UniqueConstraint(
                fields=["agent", "idempotency_key"],
                condition=~models.Q(idempotency_key="") & models.Q(state__in=MAY_TAKE_EFFECT),
                name="idempotency_key_takes_effect_once",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=ActionState.values), name="action_state_is_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(state=ActionState.EXECUTING)
                | (~models.Q(claim_id="") & models.Q(lease_until__isnull=False)),
                name="executing_action_is_claimed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool} {self.subject}".strip()

    def get_absolute_url(self) -> str:
        return f"{self.run.get_absolute_url()}#action-{self.pk}"

    @property
    def record_name(self) -> str:
        return f"agents.action:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return scope_of(self.agent, self.run_id)

    @property
    def effective_arguments(self) -> dict[str, Any]:
        """What is, or would be, executed."""
        approved: dict[str, Any] | None = self.approved_arguments
        proposed: dict[str, Any] = self.arguments
        return proposed if approved is None else approved

    @property
    def is_edited(self) -> bool:
        return self.approved_arguments is not None and self.approved_arguments != self.arguments

    @property
    def is_held(self) -> bool:
        return self.state == ActionState.HELD

    @property
    def is_over(self) -> bool:
        return self.state not in {
            ActionState.ALLOWED,
            ActionState.HELD,
            ActionState.APPROVED,
            ActionState.EXECUTING,
        }

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def took(self) -> timedelta | None:
        """Execution time: what the agent measured, else from claim to settlement."""
        if self.duration_ms is not None:
            return timedelta(milliseconds=self.duration_ms)
        if self.claimed_at and self.settled_at:
            return self.settled_at - self.claimed_at
        return None
