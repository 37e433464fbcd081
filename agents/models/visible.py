"""What a person may see is what their teams own."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.db import models
from django.db.models import Q

from audit.constants import Constant

if TYPE_CHECKING:
    from people.models import Person

M = TypeVar("M", bound=models.Model)


class VisibleQuerySet(models.QuerySet[M]):
    """A queryset that knows which team owns its rows (`team_path`)."""

    team_path: ClassVar[str] = "team_id"

    def visible_to(self, person: Person) -> Self:
        """Rows of the teams this person watches."""
        if person.watches_everything:
            return self
        teams = [Q(**{self.team_path: Constant(team)}) for team in person.team_ids]
        return self.filter(reduce(or_, teams)) if teams else self.none()


class OfAgentQuerySet(VisibleQuerySet[M]):
    """Rows that belong to an agent, and so to its team."""

    team_path = "agent__team_id"


def scope_of(agent: Any, run_id: Any = None) -> dict[str, str]:
    """Where an entry about something of this agent belongs."""
    return {
        "team": str(agent.team_id),
        "agent": str(agent.pk),
        "run": str(run_id) if run_id else "",
    }
