"""Holds: anything that waits for a person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

import pgtrigger
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Action, Agent, Run, Trip
from agents.models.visible import VisibleQuerySet, scope_of
from agents.rules.policy import Requirement
from audit.constants import Constant
from audit.ids import new_id
from people.models import Person, Team

from .queue import Queue

if TYPE_CHECKING:
    from typing import Any


class HoldKind(models.TextChoices):
    APPROVAL = "approval", _("Approval")
    REVIEW = "review", _("Review")
    TRIP = "trip", _("Paused")


class HoldState(models.TextChoices):
    OPEN = "open", _("Waiting")
    DECIDED = "decided", _("Decided")
    EXPIRED = "expired", _("Expired")
    CANCELLED = "cancelled", _("Cancelled")


class HoldDecision(models.TextChoices):
    """What was said; the value is the participle people read and the record's entry carries."""

    APPROVED = "approved", _("Approved")
    EDITED = "edited", _("Approved with changes")
    REJECTED = "rejected", _("Rejected")
    ANSWERED = "answered", _("Answered")
    ASKED = "asked", _("Asked")
    RESUMED = "resumed", _("Resumed")
    MODIFIED = "modified", _("Modified and resumed")
    TERMINATED = "terminated", _("Terminated")
    RESOLVED = "resolved", _("Resolved")
    RETRIED = "retried", _("Sent back to try again")
    DISCARDED = "discarded", _("Discarded")


ANSWERS: dict[str, tuple[HoldDecision, ...]] = {
    HoldKind.APPROVAL: (
        HoldDecision.APPROVED,
        HoldDecision.EDITED,
        HoldDecision.REJECTED,
        HoldDecision.ANSWERED,
        HoldDecision.ASKED,
    ),
    HoldKind.TRIP: (HoldDecision.RESUMED, HoldDecision.MODIFIED, HoldDecision.TERMINATED),
    HoldKind.REVIEW: (HoldDecision.RESOLVED, HoldDecision.RETRIED, HoldDecision.DISCARDED),
}
"""Which decisions each kind of hold can get."""

CLAIM_LEASE = timedelta(minutes=10)


OPEN = Constant(HoldState.OPEN)
"""The state all indexes of what waits are made for."""


class HoldQuerySet(VisibleQuerySet["Hold"]):
    def waiting(self) -> Self:
        return self.filter(state=OPEN)

    def over(self) -> Self:
        return self.exclude(state=OPEN)

    def due(self, now: datetime) -> Self:
        """Open, not frozen, and past their deadline."""
        return self.filter(state=OPEN, frozen_at=None, expires_at__lte=now)

    def to_remind(self, now: datetime) -> Self:
        """Open, not frozen, half or nine tenths of their time over, and nobody reminded yet."""
        return self.filter(state=OPEN, frozen_at=None, remind_at__lte=now)


class Hold(models.Model):
    """Something that waits for a person: an action for a yes, work an agent could not do, a paused agent."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=8, choices=HoldKind.choices)
    team = models.ForeignKey(Team, models.PROTECT, related_name="holds", db_index=False)
    queue = models.ForeignKey(Queue, models.PROTECT, related_name="holds", db_index=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="holds", db_index=False)
    run = models.ForeignKey(Run, models.PROTECT, related_name="holds", null=True, blank=True)
    action = models.ForeignKey(Action, models.PROTECT, related_name="holds", null=True, blank=True)
    trip = models.OneToOneField(Trip, models.PROTECT, related_name="hold", null=True, blank=True)
    key = models.CharField(max_length=200, blank=True)
    """A review's name for the work, the agent's own; handing over the same twice is once."""
    title = models.CharField(max_length=300)
    reason = models.TextField(blank=True)
    subject = models.CharField(max_length=500, blank=True)
    payload = models.JSONField(null=True, blank=True)
    amount = models.DecimalField(max_digits=24, decimal_places=6, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    state = models.CharField(max_length=9, choices=HoldState.choices, default=HoldState.OPEN)
    decision = models.CharField(max_length=10, choices=HoldDecision.choices, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    """`person:ada`, `clock`, `agent:…`: whoever closed it, as the record names them."""
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)
    claimed_by = models.ForeignKey(
        Person, models.SET_NULL, related_name="claimed_holds", null=True, blank=True
    )
    claimed_until = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    """Since when the deadline stands still, because its agent or run is paused."""
    revision = models.PositiveIntegerField(default=1)
    """Counts every change of what is asked; a vote is for one revision."""
    candidate = models.JSONField(null=True, blank=True)
    """The arguments as a person changed them, while votes for them are still missing."""
    votes_needed = models.PositiveSmallIntegerField(default=1)
    remind_at = models.DateTimeField(null=True, blank=True)
    reminders = models.PositiveSmallIntegerField(default=0)
    escalated_at = models.DateTimeField(null=True, blank=True)

    policy_in_force: str
    """The version of the policies now, where a verb has read it under lock."""

    objects = HoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["-id"], name="hold_open", condition=models.Q(state="open")),
            models.Index(
                fields=["team", "-id"], name="hold_open_of_team", condition=models.Q(state="open")
            ),
            models.Index(
                fields=["kind", "-id"], name="hold_open_kind", condition=models.Q(state="open")
            ),
            models.Index(
                fields=["queue", "-id"], name="hold_open_queue", condition=models.Q(state="open")
            ),
            models.Index(
                fields=["agent", "-id"], name="hold_open_agent", condition=models.Q(state="open")
            ),
            models.Index(
                fields=["claimed_by", "-id"],
                name="hold_open_mine",
                condition=models.Q(state="open", claimed_by__isnull=False),
            ),
            models.Index(fields=["expires_at"], name="hold_due", condition=models.Q(state="open")),
            models.Index(
                fields=["remind_at"],
                name="hold_to_remind",
                condition=models.Q(state="open", remind_at__isnull=False),
            ),
            models.Index(
                fields=["team", "-decided_at", "-id"],
                name="hold_over",
                condition=~models.Q(state="open"),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=(
                    models.Q(kind="approval", action__isnull=False, trip=None)
                    | models.Q(kind="trip", trip__isnull=False, action=None)
                    | (models.Q(kind="review", trip=None) & ~models.Q(key=""))
                ),
                name="hold_points_at_what_it_holds",
            ),
            models.CheckConstraint(
                condition=models.Q(state="decided") & ~models.Q(decision="")
                | ~models.Q(state="decided") & models.Q(decision=""),
                name="decided_hold_has_a_decision",
            ),
            models.CheckConstraint(
                condition=models.Q(state="open", decided_at=None, decided_by="")
                | (~models.Q(state="open") & models.Q(decided_at__isnull=False)),
                name="open_hold_is_undecided",
            ),
            models.UniqueConstraint(
                fields=["action"],
                condition=models.Q(kind="approval"),
                name="action_has_one_approval",
            ),
            models.UniqueConstraint(
                fields=["agent", "key"],
                condition=models.Q(kind="review"),
                name="work_is_handed_over_once",
            ),
            models.CheckConstraint(
                condition=models.Q(votes_needed__gte=1), name="approval_needs_a_vote"
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="approval_has_its_votes",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.Condition(
                    "OLD.state <> 'decided' and NEW.decision in ('approved', 'edited')"
                ),
                func="""
                    if (select count(*) from reviews_vote v
                         where v.hold_id = NEW.id and v.dismissed_at is null) < NEW.votes_needed then
                        raise exception 'approval % lacks votes', NEW.id using errcode = 'check_violation';
                    end if;
                    return NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("hold", args=[self.pk])

    @property
    def record_name(self) -> str:
        return f"reviews.hold:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return scope_of(self.agent, self.run_id)

    @property
    def is_open(self) -> bool:
        return self.state == HoldState.OPEN

    @property
    def is_frozen(self) -> bool:
        return self.frozen_at is not None

    def is_overdue(self, now: datetime) -> bool:
        """Its deadline is over, whether or not the clock has come by."""
        return not self.is_frozen and self.expires_at is not None and self.expires_at <= now

    @property
    def answers(self) -> tuple[HoldDecision, ...]:
        return ANSWERS[self.kind]

    @property
    def decider(self) -> str:
        """Who closed it, as people say it: `ada`, `the clock`, `the agent`."""
        kind, _, name = self.decided_by.partition(":")
        return name if kind == "person" else f"the {kind}"

    def can_be_decided_by(self, person: Person) -> bool:
        return person.decides_for(self.team_id)

    def is_claimed_by_other(self, person: Person, now: datetime | None = None) -> bool:
        """Somebody else is at it, and their lease holds."""
        return bool(
            self.claimed_by_id
            and self.claimed_by_id != person.pk
            and self.claimed_until
            and self.claimed_until > (now or timezone.now())
        )

    @property
    def requirement(self) -> Requirement:
        """Whose approval it needs, how soon, and what happens otherwise."""
        snapshot = self.action.requirement if self.action else None
        return Requirement.from_dict(snapshot) if snapshot else Requirement()

    @property
    def arguments(self) -> dict[str, Any]:
        """What a yes is a yes to: as proposed, or as a person changed it since."""
        if self.candidate is not None:
            changed: dict[str, Any] = self.candidate
            return changed
        return self.action.arguments if self.action else {}

    @property
    def evidence(self) -> dict[str, Any]:
        return self.trip.evidence if self.trip else {}
