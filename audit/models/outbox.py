"""What goes out: endpoints that want to be told, and one delivery for each message to each of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit import sealed
from audit.ids import new_id

from .entry import Entry

if TYPE_CHECKING:
    from people.models import Person

KEPT_FOR = timedelta(days=30)
"""How long a delivered message can be looked at and sent again."""
DEAD_KEPT_FOR = timedelta(days=90)

KEEPS_WEBHOOKS = frozenset({"ops", "admin"})
"""Roles that say where a team's messages go."""

_USE = "endpoint"


def teams_kept_by(person: Person) -> set[str]:
    """Teams whose webhooks this person looks after, as an endpoint names them; `""` is every team."""
    return {
        str(team) if team else "" for team, role in person.roles.items() if role in KEEPS_WEBHOOKS
    }


class EndpointKind(models.TextChoices):
    WEBHOOK = "webhook", _("Webhook")
    AAP = "aap", _("AAP instance")


class EndpointState(models.TextChoices):
    ACTIVE = "active", _("Active")
    DISABLED = "disabled", _("Disabled")
    DELETED = "deleted", _("Deleted")
    """Gone for everybody; its deliveries are cleared away in batches, and it after them."""


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def visible_to(self, person: Person) -> Self:
        """Webhooks of the teams this person keeps running; those of every team only for house-wide roles."""
        found = self.filter(kind=EndpointKind.WEBHOOK).exclude(state=EndpointState.DELETED)
        teams = teams_kept_by(person)
        return found if "" in teams else found.filter(team__in=teams)


class Endpoint(models.Model):
    """Somewhere outside that wants to be told. Its name and its owner are text, as in the record."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(
        max_length=7, choices=EndpointKind.choices, default=EndpointKind.WEBHOOK
    )
    team = models.CharField(max_length=36, blank=True)
    """Whose entries it is told; empty: of every team."""
    owner = models.CharField(max_length=200)
    """Who wanted it, as the record names them: `person:ada`, `agent:…`."""
    label = models.CharField(max_length=80, blank=True)
    url = models.CharField(max_length=2000)
    secret = models.TextField()
    """Sealed; `signing_secret` opens it."""
    events = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    """Kinds of entries (`hold.opened`), or all of a noun (`hold.*`)."""
    state = models.CharField(
        max_length=8, choices=EndpointState.choices, default=EndpointState.ACTIVE
    )
    state_reason = models.CharField(max_length=300, blank=True)
    failures = models.PositiveIntegerField(default=0)
    """Tries in a row that failed; while there are any, it is tried one message at a time."""
    rests_until = models.DateTimeField(null=True, blank=True)
    """It failed: nothing goes there before, so that a dead receiver takes no turn from a living one."""
    created_at = models.DateTimeField(auto_now_add=True)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        verbose_name = _("endpoint")
        verbose_name_plural = _("endpoints")
        ordering = ["-id"]
        indexes = [
            # Read by the trigger at every entry that is written.
            models.Index(
                fields=["team"],
                name="endpoint_listens",
                condition=models.Q(state="active", kind="webhook"),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=EndpointKind.values), name="endpoint_kind_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=EndpointState.values), name="endpoint_state_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(url__startswith="https://")
                | models.Q(url__startswith="http://"),
                name="endpoint_speaks_http",
            ),
        ]

    def __str__(self) -> str:
        return self.label or self.url

    @property
    def record_name(self) -> str:
        return f"audit.endpoint:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": self.team}

    @property
    def is_active(self) -> bool:
        return self.state == EndpointState.ACTIVE

    def is_kept_by(self, person: Person) -> bool:
        teams = teams_kept_by(person)
        return "" in teams or self.team in teams

    @property
    def signing_secret(self) -> str:
        """`whsec_…`. Raises `audit.sealed.CannotUnseal`."""
        return sealed.unseal(self.secret, use=_USE)

    def keep_secret(self, secret: str) -> None:
        self.secret = sealed.seal(secret, use=_USE)

    def renew_seal(self) -> bool:
        """Seal its secret under the present SECRET_KEY; False when it is already."""
        renewed = sealed.resealed(self.secret, use=_USE)
        self.secret = renewed or self.secret
        return renewed is not None


class DeliveryState(models.TextChoices):
    PENDING = "pending", _("On its way")
    DELIVERED = "delivered", _("Delivered")
    DEAD = "dead", _("Dead")


class Delivery(models.Model):
    """One message for one endpoint. Id and body stay the same however often it is sent."""

    id = models.BigAutoField(primary_key=True)
    endpoint = models.ForeignKey(
        Endpoint, models.CASCADE, related_name="deliveries", db_index=False
    )
    entry = models.ForeignKey(
        Entry, models.DO_NOTHING, null=True, blank=True, db_constraint=False, db_index=False
    )
    """The entry it tells of; none for what was sent to this endpoint directly."""
    message_id = models.CharField(max_length=100)
    type = models.CharField(max_length=60)
    body = models.TextField(blank=True, db_default="")
    """Written once, before the first try; of an entry only then, because only Python can describe it."""
    state = models.CharField(
        max_length=9,
        choices=DeliveryState.choices,
        default=DeliveryState.PENDING,
        db_default=DeliveryState.PENDING,
    )
    attempts = models.PositiveIntegerField(default=0, db_default=0)
    next_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    leased_until = models.DateTimeField(null=True, blank=True)
    """Somebody is sending it. The exact moment is also their token: only they may say how it went."""
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)
    last_error = models.TextField(blank=True, db_default="")
    last_answer = models.TextField(blank=True, db_default="")
    tries = models.JSONField(default=list, db_default=[])
    """`[{at, ms, status or null, error}, …]`, the oldest first."""
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    if TYPE_CHECKING:
        objects: ClassVar[models.Manager[Delivery]]

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["endpoint", "next_at"],
                name="delivery_due",
                condition=models.Q(state="pending"),
            ),
            models.Index(
                fields=["endpoint"],
                name="delivery_in_flight",
                condition=models.Q(leased_until__isnull=False),
            ),
            models.Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),
            models.Index(
                fields=["endpoint", "-id"], name="delivery_dead", condition=models.Q(state="dead")
            ),
            models.Index(
                fields=["closed_at"], name="delivery_over", condition=~models.Q(state="pending")
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "message_id"], name="message_is_delivered_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state="pending", closed_at=None, next_at__isnull=False)
                | models.Q(
                    state__in=["delivered", "dead"], closed_at__isnull=False, leased_until=None
                ),
                name="delivery_is_pending_or_over",
            ),
            models.CheckConstraint(
                condition=models.Q(entry__isnull=False) | ~models.Q(body=""),
                name="direct_delivery_has_its_body",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.message_id}"

    @property
    def record_name(self) -> str:
        return f"audit.delivery:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return self.endpoint.record_scope

    @property
    def is_in_flight(self) -> bool:
        """Somebody has taken it and may be sending it right now."""
        return self.leased_until is not None and self.leased_until > timezone.now()

    @property
    def last_try(self) -> dict[str, Any] | None:
        return self.tries[-1] if self.tries else None
