"""What a policy's document sets becomes so: breakers, budgets and limits exactly as it says, in its transaction"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, cast

from django.utils import timezone

from audit.bell import ring
from audit.changes import changed
from audit.errors import Invalid
from audit.record import Recordable, record

from .. import signals
from ..models import Breaker, BreakerState, Budget, Limit, Policy
from ..models.breaker import Scope
from ..rules.breaker_settings import BreakerSetting
from ..rules.breakers import states
from ..rules.budget_settings import BudgetSetting
from ..rules.limits import LimitSetting
from ..rules.policy.document import Document
from ..rules.policy.settings_difference import paired
from . import probation

STOPPING = (BreakerState.OPEN, BreakerState.FORCED_OPEN)
STATES = {"": BreakerState.CLOSED, "shadow": BreakerState.SHADOW, "disabled": BreakerState.DISABLED}

_applying: ContextVar[bool] = ContextVar("a document is being made so", default=False)


class Applying:
    """Meanwhile what changes is what the document says: nobody needs to write it into the document again."""

    def __enter__(self) -> None:
        self._token = _applying.set(True)

    def __exit__(self, *_: object) -> None:
        _applying.reset(self._token)


def is_applying() -> bool:
    return _applying.get()


def lock(policy: Policy) -> None:
    """Lock what its document sets, before the policy itself: as those do who change it and then write it down."""
    from . import budget  # it writes down what changes, through the policy

    budget.lock(Budget.objects.filter(team=policy.team_id, agent=policy.agent_id))
    rows = Breaker.objects.select_for_update(of=("self",)).order_by("id")
    list(rows.filter(run=None, **owner_of(policy)))
    if policy.agent_id is None:
        limits = Limit.objects.select_for_update(no_key=True, of=("self",))
        list(limits.filter(team=policy.team_id).order_by("resource"))


def apply(policy: Policy, document: Document, *, by: Recordable | str) -> None:
    """Make it so. Sections that are not there leave things alone. Raises Invalid in words."""
    from . import budget, limit  # they write down what changes, through the policy

    found = document.sections
    with Applying():
        if "breakers" in found:
            apply_breakers(policy, cast(Sequence[BreakerSetting], found["breakers"]), by=by)
        if "budgets" in found:
            budgets = cast(Sequence[BudgetSetting], found["budgets"])
            budget.apply(policy.team, policy.agent, budgets, by=by)
        if "limits" in found:
            limit.apply(policy.team, cast(Sequence[LimitSetting], found["limits"]), by=by)
        signals.policy_saved.send(Policy, policy=policy, document=document.as_dict(), by=by)


# -- breakers --------------------------------------------------------------------------------------


def apply_breakers(
    policy: Policy, settings: Sequence[BreakerSetting], *, by: Recordable | str
) -> None:
    """Those that stay keep their state and what they counted, new ones count from now, the others end."""
    rows = {setting_of(row).name: row for row in settings_of(policy)}
    before = [setting_of(row) for row in rows.values()]
    pairs, gone = paired("breakers", before, settings)
    for old in gone:
        remove(rows[cast(BreakerSetting, old).name], by=by)
    for was, setting in cast("list[tuple[BreakerSetting | None, BreakerSetting]]", pairs):
        if was is None:
            add(policy, setting, by=by)
        else:
            change(rows[was.name], was, setting, by=by)
    ring(f"agent.{policy.agent_id}", f"agents.{policy.team_id}", "agents")


def settings_of(policy: Policy) -> list[Breaker]:
    """The breakers of an agent, or of a team, in the order in which they are shown."""
    found = Breaker.objects.filter(run=None, **owner_of(policy)).select_related("agent")
    return list(found.order_by("condition", "unit", "window", "id"))


def owner_of(policy: Policy) -> dict[str, Any]:
    return {"team": policy.team_id} if policy.agent_id is None else {"agent": policy.agent_id}


def setting_of(row: Breaker) -> BreakerSetting:
    """What a row says. One that rests for a while only will watch again: that is no setting."""
    rests = row.state == BreakerState.DISABLED and row.disabled_until is None
    state = "shadow" if row.state == BreakerState.SHADOW else "disabled" if rests else ""
    return BreakerSetting(
        when=row.condition,
        limit=row.limit,
        window=row.window,
        pause=row.scope,
        unit=row.unit,
        minimum=row.minimum,
        threshold=row.threshold,
        probes=row.probes_allowed,
        probation=row.probation,
        state=state,
    )


def add(policy: Policy, setting: BreakerSetting, *, by: Recordable | str) -> Breaker:
    """It looks at what happens from now on."""
    row = Breaker(
        agent=policy.agent,
        team=policy.team if policy.agent is None else None,
        condition=setting.when,
        unit=setting.unit,
        scope=setting.pause,
        state=STATES[setting.state],
    )
    say(row, setting)
    probation.forget(row, timezone.now())
    row.save(force_insert=True)
    now = setting.as_dict()
    record("breaker.added", actor=by, about=row, summary=str(setting)[:300], after=now)
    return row


def change(
    row: Breaker, before: BreakerSetting, after: BreakerSetting, *, by: Recordable | str
) -> None:
    """Another limit or window keeps what was counted; another state is an arrow like any other."""
    if before.as_dict() == after.as_dict():
        return
    own = list(Breaker.objects.filter(run__isnull=False, **alike(row)))
    for each in (row, *own):
        say(each, after)
        each.save()
    if before.state != after.state:
        move(row, after)
    was, now = changed(before.as_dict(), after.as_dict())
    record(
        "breaker.changed",
        actor=by,
        about=row,
        summary=str(after)[:300],
        before=was,
        after=now,
    )


def move(row: Breaker, setting: BreakerSetting) -> None:
    from . import breaker  # it writes down what changes, through the policy

    verb = {"": "enable", "shadow": "shadow", "disabled": "disable"}[setting.state]
    if states.after(row.state, verb) is None:
        raise Invalid(f"breakers: {setting.name}: {states.REFUSALS[row.state]}")
    breaker.move(row, verb, reason="As the policy says." if setting.state else "")


def remove(row: Breaker, *, by: Recordable | str) -> None:
    """Nobody watches for this any more. Raises Invalid while it keeps something stopped."""
    own = Breaker.objects.filter(run__isnull=False, **alike(row))
    if row.state in STOPPING or own.filter(state__in=STOPPING).exists():
        raise Invalid(
            f"breakers: {setting_of(row).name}: It is open, and keeps something stopped. "
            "Answer its trip first, then remove it."
        )
    gone = setting_of(row)
    record("breaker.removed", actor=by, about=row, summary=str(gone)[:300], before=gone.as_dict())
    own.delete()
    row.delete()


def alike(row: Breaker) -> dict[str, Any]:
    """The rows that single runs got from this setting."""
    names = ("agent_id", "condition", "unit", "scope", "window")
    of_runs = row.scope == Scope.RUN and row.pk is not None
    return {name: getattr(row, name) for name in names} if of_runs else {"pk__in": []}


def say(row: Breaker, setting: BreakerSetting) -> None:
    row.limit, row.window = setting.limit, setting.window
    row.minimum, row.threshold = setting.minimum, setting.threshold
    row.probes_allowed, row.probation = setting.probes, setting.probation
