"""What the breakers and budgets of a document would have done last week, before it is put in force."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from people.models import Calendar

from .backtest import backtest, backtest_budget
from .history import Known, Whose
from .models import Policy
from .rules.backtest import Tried, TriedBudget
from .rules.backtest.result import Backtest
from .rules.breaker_settings import BreakerSetting
from .rules.budget_settings import BudgetSetting
from .rules.policy.difference import readable
from .rules.policy.sections import Setting, called
from .rules.policy.settings_difference import paired

MOST = 20
"""Settings that are tried at once."""
LONGEST_S = 8.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting that is new or changed: what it would have done, and what it would have done as it was."""

    section: str
    name: str
    sentence: str
    would: Backtest
    before: Backtest | None = None


@dataclass(frozen=True, slots=True)
class Trials:
    tried: tuple[Trial, ...] = ()
    left_out: int = 0
    """Settings that were not tried: too many, or it would have taken too long."""


def trials(
    policy: Policy, before: Mapping[str, Any], document: Mapping[str, Any], *, now: datetime
) -> Trials:
    """Of every breaker and budget that differs. Those that are switched off are not tried."""
    whose = Whose(policy.team_id, policy.agent_id)
    old, new = readable(dict(before)).sections, readable(dict(document)).sections
    changed = [
        (key, was, setting)
        for key in ("breakers", "budgets")
        for was, setting in paired(key, old.get(key, ()), new.get(key, ()))[0]
        if (was is None or was.as_dict() != setting.as_dict())
        and getattr(setting, "state", "") != "disabled"
    ]
    known: Known = {}
    end = time.monotonic() + LONGEST_S
    found: list[Trial] = []
    for key, was, setting in sorted(changed, key=lambda one: longest_first(one[2]))[:MOST]:
        if time.monotonic() > end:
            break
        would = tried(policy, whose, setting, now, known)
        prior = tried(policy, whose, was, now, known) if was is not None else None
        found.append(Trial(key, called(key, setting), str(setting), would, prior))
    return Trials(tuple(found), len(changed) - len(found))


def longest_first(setting: Setting) -> float:
    """The longest look back reads what the others look at, too."""
    return -setting.window.total_seconds() if isinstance(setting, BreakerSetting) else -1e9


def tried(policy: Policy, whose: Whose, setting: Setting, now: datetime, known: Known) -> Backtest:
    if isinstance(setting, BreakerSetting):
        return backtest(tried_breaker(setting), whose, now=now, known=known)
    return backtest_budget(
        tried_budget(policy, cast(BudgetSetting, setting)), whose, now=now, known=known
    )


def tried_breaker(setting: BreakerSetting) -> Tried:
    return Tried(
        setting.when,
        setting.limit,
        setting.window,
        setting.pause,
        setting.unit,
        setting.minimum,
        setting.threshold,
    )


def tried_budget(policy: Policy, setting: BudgetSetting) -> TriedBudget:
    calendar = Calendar.objects.filter(team=policy.team_id).first()
    zone = calendar.time_zone if calendar else "UTC"
    return TriedBudget(setting.name, setting.scope, setting.per, setting.unit, setting.limit, zone)
