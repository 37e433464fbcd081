"""What a policy would have said to what was proposed before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .policy import Case, Compiled, Shadow, judge_policies
from .policy.ruling import Answer

type Happened = Literal["allowed", "held", "approved", "rejected", "expired", "withdrawn", "denied"]

MOST_NAMED = 200
MOST_EXAMPLES = 20


class Past(NamedTuple):
    """One action as it was proposed, what became of it, and what policy had said."""

    id: str
    case: Case
    happened: Happened
    was: Answer


class Changed(NamedTuple):
    """An action that would have been answered otherwise, by which rule."""

    id: str
    happened: Happened
    was: Answer
    would: Answer
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a rule in shadow would have answered, how often, and to which actions (the first few)."""

    rule: str
    answer: Answer
    of: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """`counts` by (what happened, what the answer would be); `changed` names the first of those that differ."""

    looked_at: int = 0
    counts: Counter[tuple[Happened, Answer]] = field(default_factory=Counter)
    changed: tuple[Changed, ...] = ()
    changed_count: int = 0
    shadows: tuple[Shadowed, ...] = ()


class Tally:
    """Judges one past action after the other, and counts."""

    def __init__(self, most_named: int = MOST_NAMED) -> None:
        self._most_named = most_named
        self._counts: Counter[tuple[Happened, Answer]] = Counter()
        self._changed: list[Changed] = []
        self._changed_count = 0
        self._shadows: Counter[Shadow] = Counter()
        self._examples: dict[Shadow, list[str]] = defaultdict(list)

    def judge(self, past: Past, team: Compiled | None, agent: Compiled | None) -> None:
        ruling = judge_policies(past.case, team, agent)
        self._counts[past.happened, ruling.answer] += 1
        for shadow in ruling.shadows:
            self._shadows[shadow] += 1
            if len(self._examples[shadow]) < MOST_EXAMPLES:
                self._examples[shadow].append(past.id)
        if past.was == ruling.answer:
            return
        self._changed_count += 1
        if len(self._changed) < self._most_named:
            self._changed.append(
                Changed(past.id, past.happened, past.was, ruling.answer, ruling.rule, ruling.why)
            )

    def so_far(self) -> Replay:
        return Replay(
            self._counts.total(),
            Counter(self._counts),
            tuple(self._changed),
            self._changed_count,
            tuple(
                Shadowed(s.rule, s.answer, s.of, count, tuple(self._examples[s]))
                for s, count in self._shadows.most_common()
            ),
        )


def replay(
    past: Iterable[Past],
    team: Compiled | None,
    agent: Compiled | None,
    *,
    most_named: int = MOST_NAMED,
) -> Replay:
    """Judge the past by these policies. Only policy is replayed, not breakers, budgets or people."""
    tally = Tally(most_named)
    for one in past:
        tally.judge(one, team, agent)
    return tally.so_far()
