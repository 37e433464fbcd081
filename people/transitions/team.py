"""Teams are made"""

from __future__ import annotations

from django.db import transaction

from audit.record import record

from ..models import Team
from .allowed import Doer


@transaction.atomic
def named(name: str, *, by: Doer) -> Team:
    """The team of this name, made when there is none."""
    team, is_new = Team.objects.get_or_create(name=name)
    if is_new:
        record("team.created", actor=by, about=team, summary=name, data={"name": name})
    return team
