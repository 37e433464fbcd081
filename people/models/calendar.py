"""Calendars: when a team works, so that deadlines need not run at night."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from ..rules.calendar import Hours
from .team import Team


class CalendarManager(models.Manager["Calendar"]):
    def hours_of(self, team_id: UUID) -> Hours | None:
        """When a team works; None: round the clock."""
        calendar = self.filter(team=team_id).first()
        return calendar.hours if calendar else None


class Calendar(models.Model):
    """A team's working hours and holidays. A team without one works round the clock.

    `days` are ISO weekdays less one (Monday is 0). Closing at or before opening means the next day:
    22:00 to 06:00 is a night shift, 00:00 to 00:00 the whole day.
    """

    team = models.OneToOneField(
        Team, models.CASCADE, primary_key=True, related_name="calendar", editable=False
    )
    time_zone = models.CharField(max_length=64)
    days = ArrayField(models.PositiveSmallIntegerField(validators=[MaxValueValidator(6)]), size=7)
    opens = models.TimeField()
    closes = models.TimeField()
    country = models.CharField(max_length=2, blank=True)
    """ISO 3166-1; with `subdivision` it says which public holidays are kept. Empty: none."""
    subdivision = models.CharField(max_length=20, blank=True)
    holidays = ArrayField(models.DateField(), default=list, blank=True)
    """Further days off, of the team's own."""

    objects: ClassVar[CalendarManager] = CalendarManager()

    class Meta:
        verbose_name = _("calendar")
        verbose_name_plural = _("calendars")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(days__len__gt=0)
                & models.Q(days__contained_by=[0, 1, 2, 3, 4, 5, 6]),
                name="calendar_opens_on_some_day_of_the_week",
            ),
            models.CheckConstraint(
                condition=models.Q(subdivision="") | ~models.Q(country=""),
                name="subdivision_belongs_to_a_country",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.opens:%H:%M} to {self.closes:%H:%M}, {self.time_zone}"

    @property
    def hours(self) -> Hours:
        return Hours(
            time_zone=self.time_zone,
            days=frozenset(self.days),
            opens=self.opens,
            closes=self.closes,
            country=self.country,
            subdivision=self.subdivision,
            holidays=frozenset(self.holidays),
        )
