"""What a policy would have said to what was proposed before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .policy import Case, Compiled, judge_policies
from .policy.ruling import Answer

type Happened = Literal["allowed", "held", "approved", "rejected", "expired", "denied"]

ANSWERED: dict[Happened, Answer] = {
    "allowed": "allow",
    "held": "approve",
    "approved": "approve",
    "rejected": "approve",
    "expired": "approve",
    "denied": "deny",
}
"""What policy had said then, by what became of the action."""

MOST_NAMED = 200


class Past(NamedTuple):
    """One action as it was proposed, and what became of it."""

    id: str
    case: Case
    happened: Happened


class Changed(NamedTuple):
    """An action that would have been answered otherwise, by which rule."""

    id: str
    happened: Happened
    would: Answer
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Replay:
    """`counts` by (what happened, what the answer would be); `changed` names the first of those that differ."""

    looked_at: int = 0
    counts: Counter[tuple[Happened, Answer]] = field(default_factory=Counter)
    changed: tuple[Changed, ...] = ()
    changed_count: int = 0
    shadows: Counter[tuple[str, Answer]] = field(default_factory=Counter)
    """How often each rule in shadow would have answered what."""


def replay(
    past: Iterable[Past],
    team: Compiled | None,
    agent: Compiled | None,
    *,
    most_named: int = MOST_NAMED,
) -> Replay:
    """Judge the past by these policies. Only policy is replayed, not breakers, budgets or people."""
    counts: Counter[tuple[Happened, Answer]] = Counter()
    shadows: Counter[tuple[str, Answer]] = Counter()
    changed: list[Changed] = []
    changed_count = 0
    for one in past:
        ruling = judge_policies(one.case, team, agent)
        counts[one.happened, ruling.answer] += 1
        shadows.update((shadow.rule, shadow.answer) for shadow in ruling.shadows)
        if ANSWERED[one.happened] != ruling.answer:
            changed_count += 1
            if len(changed) < most_named:
                changed.append(
                    Changed(one.id, one.happened, ruling.answer, ruling.rule, ruling.why)
                )
    return Replay(counts.total(), counts, tuple(changed), changed_count, shadows)
