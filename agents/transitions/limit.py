"""Limits are set, changed and removed; who was promised a slot keeps it"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.bell import ring
from audit.changes import changed
from audit.errors import Conflict
from audit.record import Recordable, record, signature_of
from people.models import Person, Team

from ..models import Limit
from ..models.limit import may_set
from ..rules.gcra import Rate, carried_over
from ..rules.limits import MOST_LIMITS, LimitSetting, parse_limit
from . import documenting
from .rows import first

NOT_YOURS = "Your role may not change this limit: that takes a lead, ops or admin of its team."
NOT_THE_HOUSE = "Limits of the whole house are set by admins of every team."


@transaction.atomic
def set(
    team: Team | None,
    setting: LimitSetting,
    *,
    by: Person | Recordable | str,
    was: datetime | None = None,
    is_new: bool = False,
) -> Limit:
    """Limit a resource for a team, or (None) for the whole house; what held before is changed.

    `was`: when it was changed last, as whoever changes it now has seen it; `is_new`: it must have had no limit.
    Raises Invalid in words, PermissionDenied, Conflict when somebody was first, or there are too many.
    """
    check(team, by)
    setting = parse_limit(setting.as_dict())
    limit = locked(team, setting.resource)
    if limit is None:
        if was is not None:
            raise Conflict(f"The limit of {setting.resource} was removed meanwhile.")
        if Limit.objects.filter(team=team).count() >= MOST_LIMITS:
            raise Conflict(f"A team can have {MOST_LIMITS} limits. Remove one that is not needed.")
        limit = Limit(team=team, resource=setting.resource)
        write(limit, None, setting, by=by)
        return limit
    if is_new:
        raise Conflict(
            f"{limit.resource} has a limit already: {setting_of(limit)}. Change it there."
        )
    if was is not None and limit.changed_at != was:
        who = limit.changed_by.removeprefix("person:")
        raise Conflict(f"{who} changed it meanwhile, to {setting_of(limit)}. Look again.")
    if setting_of(limit) != setting:
        write(limit, setting_of(limit), setting, by=by)
    return limit


@transaction.atomic
def remove(limit: Limit, *, by: Person | Recordable | str) -> None:
    """Nothing limits the resource any more. Agents that ask for it get no permit: nobody says how often."""
    check(limit.team, by)
    found = locked(limit.team, limit.resource)
    if found is None:
        raise Conflict(f"The limit of {limit.resource} was removed already.")
    record(
        "limit.removed",
        actor=by,
        about=found,
        summary=f"{found.resource}: no limit any more"[:300],
        before=setting_of(found).as_dict(),
    )
    ring(f"limit.{found.pk}", f"limit.{found.pk}.free")
    found.delete()
    said = f"{found.resource}: no limit any more"
    documenting.keep_limit(found.team_id, by=by, why=said)


@transaction.atomic
def apply(
    team: Team | None, settings: Sequence[LimitSetting], *, by: Person | Recordable | str
) -> list[Limit]:
    """Make a team's limits just these: what is not named is removed. Twice is harmless."""
    check(team, by)
    named = {setting.resource for setting in settings}
    # All at first and by name: two who do this at once then wait for each other instead of in a circle.
    rows = Limit.objects.filter(team=team).order_by("resource")
    for limit in list(rows.select_for_update(no_key=True, of=("self",))):
        if limit.resource not in named:
            remove(limit, by=by)
    return [set(team, setting, by=by) for setting in sorted(settings, key=lambda s: s.resource)]


def check(team: Team | None, by: Any) -> None:
    """Raises PermissionDenied when this person may not set limits here; scripts may."""
    if isinstance(by, Person) and not may_set(team.pk if team else None, by):
        raise PermissionDenied(NOT_YOURS if team else NOT_THE_HOUSE)


def locked(team: Team | None, resource: str) -> Limit | None:
    """`for no key update`: what refers to it is being written all the time."""
    found = Limit.objects.filter(team=team, resource=resource)
    return found.select_for_update(no_key=True, of=("self",)).first()


def write(
    limit: Limit, before: LimitSetting | None, after: LimitSetting, *, by: Recordable | str
) -> None:
    # The database's clock, and only now that the limit is locked: it is the one permits are judged by.
    now = first("select clock_timestamp() as at").at
    limit.tat = carried_over(before.rate if before else None, after.rate, limit.tat, now)
    rate = after.rate
    limit.count, limit.period, limit.burst = (
        (rate.count, rate.period, rate.burst) if rate else (None, None, None)
    )
    limit.concurrency, limit.lease = after.concurrency, after.lease
    limit.changed_by = signature_of(by)
    limit.changed_at = timezone.now()
    try:
        with transaction.atomic():
            limit.save()
    except IntegrityError as error:
        raise Conflict(f"Somebody else limited {limit.resource} at this very moment.") from error
    was, new = changed(before.as_dict() if before else None, after.as_dict())
    record(
        "limit.set",
        actor=by,
        about=limit,
        summary=f"{limit.resource}: {after}"[:300],
        before=was,
        after=new,
    )
    documenting.keep_limit(limit.team_id, by=by, why=f"{limit.resource}: {after}")
    ring(f"limit.{limit.pk}", f"limit.{limit.pk}.free")


def setting_of(limit: Limit) -> LimitSetting:
    """What a row says."""
    return LimitSetting(limit.resource, rate_of(limit), limit.concurrency, limit.lease)


def rate_of(limit: Limit) -> Rate | None:
    if limit.count is None or limit.period is None or limit.burst is None:
        return None
    return Rate(limit.count, limit.period, limit.burst)
