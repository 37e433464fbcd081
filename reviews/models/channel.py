"""Channels: where alerts go. Routes: which alerts go there."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from agents.models.visible import VisibleQuerySet
from audit import sealed
from audit.ids import new_id
from people.models import Person, Role, Team

from ..rules.alert_routes import RouteSetting
from ..rules.alerts import INFO, SEVERITY_WORDS, USUAL_GROUP, Matter, route_fits

_USE = "channel"


def arranges(person: Person, team: object) -> bool:
    """Whether this person says where a team's alerts go; the house's (None): admins of every team."""
    if team is None:
        return person.roles.get(None) == Role.ADMIN
    return person.decides_for(team)  # type: ignore[arg-type]


class OrHouseQuerySet[M: models.Model](VisibleQuerySet[M]):
    """Rows of teams, and of the whole house, which everybody with a role may know of."""

    def visible_to(self, person: Person) -> Self:
        if person.watches_everything:
            return self
        return self.filter(models.Q(team__in=person.team_ids) | models.Q(team=None))

    def for_team(self, team: object) -> Self:
        """What holds for a team: its own, and the house's."""
        return self.filter(models.Q(team=team) | models.Q(team=None))


class ChannelKind(models.TextChoices):
    EMAIL = "email", _("E-mail")
    SLACK = "slack", _("Slack")
    TEAMS = "teams", _("Teams")
    PAGERDUTY = "pagerduty", _("PagerDuty")
    WEBHOOK = "webhook", _("Webhook")
    OTHER = "other", _("Other")


class ChannelState(models.TextChoices):
    ACTIVE = "active", _("Active")
    DISABLED = "disabled", _("Disabled")
    DELETED = "deleted", _("Deleted")


class ChannelQuerySet(OrHouseQuerySet["Channel"]):
    def living(self) -> Self:
        return self.exclude(state=ChannelState.DELETED)

    def failing(self) -> Self:
        return self.filter(state=ChannelState.ACTIVE, failing_since__isnull=False)


class Channel(models.Model):
    """A place outside where people read. Its address is sealed: it holds tokens, and is never shown again."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(
        Team, models.PROTECT, related_name="channels", null=True, blank=True, db_index=False
    )
    """Whose; none: the house's, which every team may use."""
    person = models.ForeignKey(
        Person, models.CASCADE, related_name="+", null=True, blank=True, db_index=False
    )
    """Who is written to at their own address, by the house's mail server."""
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=9, choices=ChannelKind.choices)
    target = models.TextField(blank=True)
    """Sealed; `address` opens it."""
    shown = models.CharField(max_length=300)
    """What people may see of the address: the scheme and the host."""
    state = models.CharField(
        max_length=8, choices=ChannelState.choices, default=ChannelState.ACTIVE
    )
    failures = models.PositiveIntegerField(default=0)
    """Tries in a row that failed; while there are any, it is tried one message at a time."""
    failing_since = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    rests_until = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "name"],
                condition=~models.Q(state="deleted"),
                nulls_distinct=False,
                name="channel_name_is_free_in_its_team",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=ChannelKind.values), name="channel_kind_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=ChannelState.values), name="channel_state_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(person=None) & ~models.Q(target="")
                | models.Q(person__isnull=False, target="", kind="email"),
                name="channel_has_an_address_or_a_person",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def record_name(self) -> str:
        return f"reviews.channel:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": str(self.team_id or "")}

    @property
    def is_active(self) -> bool:
        return self.state == ChannelState.ACTIVE

    @property
    def is_failing(self) -> bool:
        return self.is_active and self.failing_since is not None

    @property
    def address(self) -> str:
        """Raises `audit.sealed.CannotUnseal`."""
        return sealed.unseal(self.target, use=_USE)

    def keep_address(self, url: str) -> None:
        self.target = sealed.seal(url, use=_USE)

    def renew_seal(self) -> bool:
        """Seal it under the present SECRET_KEY; False when it is already."""
        renewed = sealed.resealed(self.target, use=_USE) if self.target else None
        self.target = renewed or self.target
        return renewed is not None

    def is_arranged_by(self, person: Person) -> bool:
        return arranges(person, self.team_id)


class Route(models.Model):
    """Which alerts go to which channels. All routes that fit an alert send it; each channel gets it once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(
        Team, models.CASCADE, related_name="alert_routes", null=True, blank=True, db_index=False
    )
    """Whose alerts; none: those of every team, and the house's own."""
    name = models.CharField(max_length=80)
    position = models.PositiveIntegerField(default=0)
    kinds = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    severity = models.CharField(max_length=8, choices=SEVERITY_WORDS, default=INFO)
    agents = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    channels: models.ManyToManyField[Channel, models.Model] = models.ManyToManyField(
        Channel, related_name="routes"
    )
    group = models.DurationField(default=USUAL_GROUP)
    repeat = models.DurationField(null=True, blank=True)
    quiet = models.BooleanField(default=False)
    """Outside of the team's working hours it waits until they begin."""
    from_policy = models.BooleanField(default=False)
    """Written in the team's policy document, and changed there only."""

    objects = OrHouseQuerySet["Route"].as_manager()

    class Meta:
        verbose_name = _("route")
        verbose_name_plural = _("routes")
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "name"],
                nulls_distinct=False,
                name="route_name_is_free_in_its_team",
            ),
            models.CheckConstraint(
                condition=models.Q(severity__in=SEVERITY_WORDS), name="route_severity_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def record_name(self) -> str:
        return f"reviews.route:{self.pk}"

    @property
    def record_scope(self) -> dict[str, str]:
        return {"team": str(self.team_id or "")}

    def fits(self, matter: Matter) -> bool:
        return route_fits(matter, kinds=self.kinds, least=self.severity, agents=self.agents)

    def is_arranged_by(self, person: Person) -> bool:
        return arranges(person, self.team_id)

    @property
    def setting(self) -> RouteSetting:
        """As a policy document would say it."""
        return RouteSetting(
            name=self.name,
            to=tuple(sorted(channel.name for channel in self.channels.all())),
            when=tuple(self.kinds),
            severity=self.severity,
            agents=tuple(self.agents),
            group=self.group,
            repeat=self.repeat,
            quiet=self.quiet,
        )

    def repeats_at(self, told: datetime) -> datetime | None:
        return told + self.repeat if self.repeat else None
