"""What is judged, and what policy says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Self

from . import durations

type Answer = Literal["allow", "deny", "approve"]

STRICTNESS: dict[Answer, int] = {"allow": 0, "approve": 1, "deny": 2}
REMEMBERED = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One action as conditions see it. `agent`, `team` and `run` are names, `now` is aware of its zone.

    Amounts and costs are compared as doubles. An integer beyond 64 bits cannot be read: whatever
    condition looks at the arguments then is read the strict way.
    """

    tool: str
    now: datetime
    arguments: dict[str, Any]
    kind: str = "tool"
    subject: str = ""
    amount: Decimal | float | None = None
    currency: str = ""
    cost_usd: Decimal | float = 0.0
    tokens: int = 0
    environment: str = "production"
    agent: str = ""
    team: str = ""
    run: str = ""
    on_behalf_of: str = ""
    working_time: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Whose approval an action needs, how soon, and what happens when nobody answers.

    `queue` empty: the one the agent named. `within` None: as long as the agent asked; `valid_for`
    None: the usual time. Neither groups nor people: whoever decides for the team.
    """

    queue: str = ""
    votes: int = 1
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    within: timedelta | None = None
    working_time: bool = False
    otherwise: Literal["deny", "escalate"] = "deny"
    escalate_to: str = ""
    valid_for: timedelta | None = None
    remember: timedelta = REMEMBERED
    step_up: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As a rule writes it, with every key: durations are text (`4h`), None where there is none."""
        return {
            "queue": self.queue,
            "votes": self.votes,
            "groups": list(self.groups),
            "people": list(self.people),
            "within": self.within and durations.written(self.within),
            "working_time": self.working_time,
            "otherwise": self.otherwise,
            "escalate_to": self.escalate_to,
            "valid_for": self.valid_for and durations.written(self.valid_for),
            "remember": durations.written(self.remember),
            "step_up": self.step_up,
        }

    @classmethod
    def from_dict(cls, written: dict[str, Any]) -> Self:
        """The inverse of `as_dict`; keys may be missing. For what was checked before."""
        known = {key: value for key, value in written.items() if value is not None}
        for key in ("within", "valid_for", "remember"):
            if key in known:
                known[key] = durations.read(known[key])
        for key in ("groups", "people"):
            if key in known:
                known[key] = tuple(known[key])
        return cls(**known)

    def satisfies(self, needed: Requirement) -> bool:
        """Whether an approval that was given under this one is enough for `needed` as well."""
        deciders, needed_deciders = self._deciders, needed._deciders
        return (
            self.votes >= needed.votes
            and (not needed_deciders or (bool(deciders) and deciders <= needed_deciders))
            and (self.step_up or not needed.step_up)
        )

    @property
    def _deciders(self) -> set[tuple[str, str]]:
        return {("group", g) for g in self.groups} | {("person", p) for p in self.people}


class Shadow(NamedTuple):
    """A rule in shadow that matched, and what it would have answered. `of`: `team` or `agent`."""

    rule: str
    answer: Answer
    of: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What policy says of one action.

    `rule` names the rule that decided (empty: none matched), `why` is a sentence that people and
    models read, `code` is stable for programs: `policy`, `approval`, `tool_not_listed` or empty. `of`
    says whose policy decided, `team` or `agent`; `shadows` are the rules in shadow that matched.
    """

    answer: Answer
    rule: str = ""
    why: str = ""
    code: str = ""
    requirement: Requirement | None = None
    shadows: tuple[Shadow, ...] = ()
    of: str = ""

    @property
    def strictness(self) -> tuple[int, int]:
        """Deny before approve before allow; of two approvals, more votes are stricter."""
        return STRICTNESS[self.answer], self.requirement.votes if self.requirement else 0
