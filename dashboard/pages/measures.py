"""What breakers count, in the words people use: readings, limits, and rules as sentences."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from agents.models import Breaker, Condition
from agents.rules import breaker_sentences
from agents.rules.breaker_settings import BreakerSetting
from agents.rules.breakers import amount, plain, rounded
from agents.transitions.applying import setting_of

NOUNS: dict[str, tuple[str, str]] = {
    Condition.REPEATS: ("try", "tries"),
    Condition.LOOP: ("round", "rounds"),
    Condition.ERRORS: ("failure", "failures"),
    Condition.SLOW: ("slow call", "slow calls"),
    Condition.UNUSUAL: ("unusual call", "unusual calls"),
    Condition.MALFORMED: ("output in a row", "outputs in a row"),
    Condition.OFTEN: ("run", "runs"),
    Condition.RARELY: ("run", "runs"),
}
"""What is counted, one of it and several."""
AT_LEAST = (Condition.RARELY,)
"""Here too little is what trips."""


def said(value: Decimal, condition: str, unit: str = "") -> str:
    """A reading in the terms of its limit: `$1.20`, `12,000 tokens`, `40 %`, `3 min`, `4`."""
    match condition:
        case Condition.SPEND:
            return amount(value, unit)
        case Condition.FAILURE_RATE:
            return f"{rounded(value)} %"
        case Condition.DROP:
            return f"{rounded(value)} points"
        case Condition.SILENCE:
            return lasting(value)
    return plain(value) if condition else amount(value, unit) if unit else plain(value)


def lasting(seconds: Decimal) -> str:
    """`45 s`, `3 min`, `1 h 5 min`: how long since a sign of life."""
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return (
        f"{hours} h {minutes} min"
        if hours and minutes
        else f"{hours} h"
        if hours
        else f"{minutes} min"
    )


def against(value: Decimal, limit: Decimal, condition: str, unit: str = "") -> str:
    """`3 of 5`, `40 %, limit 50 %`, `2, at least 5`."""
    reading, most = said(value, condition, unit), said(limit, condition, unit)
    if condition in AT_LEAST:
        return f"{reading}, at least {most}"
    if condition in (Condition.FAILURE_RATE, Condition.DROP, Condition.SILENCE):
        return f"{reading}, limit {most}"
    return f"{reading} of {most}"


def counted(limit: Decimal, condition: str, unit: str = "") -> str:
    """A limit with what it counts: `10 failures`, `50 %`, `$25.00`."""
    one, many = NOUNS.get(condition, ("", ""))
    noun = one if limit == 1 else many
    return f"{said(limit, condition, unit)} {noun}".strip()


def rule(breaker: Breaker) -> str:
    """The breaker as a sentence; its state is said beside it."""
    setting = setting_of(breaker)
    return breaker_sentences.sentence(
        BreakerSetting(
            when=setting.when,
            limit=setting.limit,
            window=setting.window,
            pause=setting.pause,
            unit=setting.unit,
            minimum=setting.minimum,
            threshold=setting.threshold,
        )
    )


def rule_then(kept: dict[str, Any]) -> str:
    """The rule as it was when it tripped, from what the evidence keeps of it. Empty where it keeps nothing."""
    try:
        return breaker_sentences.sentence(
            BreakerSetting(
                when=str(kept["condition"]),
                limit=Decimal(str(kept["limit"])),
                window=timedelta(seconds=float(kept["window_s"])),
                pause=str(kept["scope"]),
                unit=str(kept.get("unit") or ""),
                minimum=int(kept.get("minimum") or 0),
                threshold=Decimal(str(kept.get("threshold") or 0)),
            )
        )
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return ""
