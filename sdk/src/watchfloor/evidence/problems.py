"""What is wrong with a bundle, and what was proved when nothing is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


class Unusable(Exception):
    """What was given cannot be looked at: no bundle, too large, or made to do harm."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `kind` is for programs, `text` for people; `index` is the entry's place in the log."""

    kind: str
    text: str
    index: int | None = None


class Problems:
    """The first problem of each kind, in the order found, and how many more there were."""

    def __init__(self) -> None:
        self._first: dict[str, Problem] = {}
        self._more: dict[str, int] = {}

    def add(self, kind: str, text: str, index: int | None = None, *, times: int = 1) -> None:
        if kind in self._first:
            self._more[kind] = self._more.get(kind, 0) + times
        else:
            self._first[kind] = Problem(kind, text, index)
            self._more[kind] = times - 1

    def add_all(self, found: Iterable[tuple[Problem, int]]) -> None:
        for problem, times in found:
            self.add(problem.kind, problem.text, problem.index, times=times)

    def __bool__(self) -> bool:
        return bool(self._first)

    def counted(self) -> list[tuple[Problem, int]]:
        return [(problem, 1 + self._more[kind]) for kind, problem in self._first.items()]

    def listed(self) -> list[Problem]:
        return [
            problem
            if times == 1
            else Problem(
                problem.kind, f"{problem.text} (and {times - 1:,} more of this kind)", problem.index
            )
            for problem, times in self.counted()
        ]


@dataclass
class Report:
    """The answer about one bundle, proof or pair of checkpoints."""

    what: str
    problems: list[Problem] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What was proved, a sentence each."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The same for programs."""

    @property
    def proved(self) -> bool:
        return not self.problems

    def as_text(self) -> str:
        if self.proved:
            return "\n".join(["proved", *(f"  {line}" for line in self.said)])
        only_key = [problem.kind for problem in self.problems] == ["nobody vouched"]
        head = "consistent, but signed by a key nobody vouched for" if only_key else "NOT proved"
        rest = [f"  {line}" for line in self.said] if only_key else []
        return "\n".join([head, *(f"  {problem.text}" for problem in self.problems), *rest])

    def as_json(self) -> dict[str, Any]:
        return {
            "proved": self.proved,
            "what": self.what,
            "problems": [asdict(problem) for problem in self.problems],
            **self.facts,
        }
