"""What the policies' pages show: rules as sentences, their versions, and what they would have done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404

from agents.models import Action, AgentState, Policy, PolicyVersion
from agents.replay import replay
from agents.rules.policy import sentences
from agents.rules.policy.difference import Difference, difference, readable
from agents.rules.policy.document import Document, Rule
from agents.rules.replay import Changed, Happened, Replay, Shadowed
from agents.transitions import documenting
from agents.trials import trials
from people.models import Person, Team

from .policy_settings import SectionShown, Tried, as_read, sections_of

ON_A_PAGE = 20
RULES_IN_THE_LIST = 6
RULES_ON_THE_PAGE = 500
VERSIONS_SHOWN = 50
CHANGED_SHOWN = 50
TEAMS_SHOWN = 50
EXAMPLES_SHOWN = 8
MEANING = {"allow": "runs", "deny": "stopped", "approve": "waits"}
"""The colour of an answer."""


@dataclass(frozen=True)
class Line:
    """One rule as people read it. `meaning` is the colour of what it says."""

    number: int
    rule: Rule

    @property
    def tools(self) -> str:
        return sentences.tools(self.rule.tools)

    @property
    def condition(self) -> str:
        return "" if self.rule.when == "true" else self.rule.when

    @property
    def consequence(self) -> str:
        return sentences.consequence(self.rule)

    @property
    def meaning(self) -> str:
        if self.rule.shadow:
            return "off"
        return MEANING[self.rule.then]


@dataclass(frozen=True)
class Shown:
    """A policy with what its version in force says."""

    policy: Policy
    document: Document

    @classmethod
    def of(cls, policy: Policy) -> Shown:
        return cls(policy, readable(policy.document))

    @property
    def title(self) -> str:
        return self.policy.agent.name if self.policy.agent else f"All agents of {self.policy.team}"

    @property
    def number(self) -> int:
        return self.policy.current.number if self.policy.current else 0

    @property
    def lines(self) -> list[Line]:
        return lines(self.document)[:RULES_ON_THE_PAGE]

    @property
    def first_lines(self) -> list[Line]:
        return self.lines[:RULES_IN_THE_LIST]

    @property
    def further(self) -> int:
        return max(0, len(self.document.rules) - RULES_IN_THE_LIST)

    @property
    def not_shown(self) -> int:
        return max(0, len(self.document.rules) - RULES_ON_THE_PAGE)

    @property
    def sections(self) -> list[SectionShown]:
        """What else it sets; of breakers, budgets and limits also what its document does not say yet."""
        return sections_of(self.policy, self.document)

    @property
    def any_tool(self) -> bool:
        return "*" in (self.document.tools or ())

    @property
    def has_shadows(self) -> bool:
        return any(rule.shadow for rule in self.document.rules)


def lines(document: Document) -> list[Line]:
    return [Line(number, rule) for number, rule in enumerate(document.rules, 1)]


# -- finding ---------------------------------------------------------------------------------------


def visible(person: Person) -> QuerySet[Policy]:
    return Policy.objects.visible_to(person).select_related("team", "agent", "current")


def one(pk: UUID, person: Person) -> Policy:
    """The policy, if this person watches its team. Raises Http404."""
    return get_object_or_404(visible(person), pk=pk)


def page(person: Person, after: str) -> tuple[list[Shown], str]:
    """Policies by team, the team's own first; and where the next page begins."""
    found = (
        visible(person)
        .exclude(agent__state=AgentState.RETIRED)
        .annotate(owner=Coalesce(F("agent__name"), Value("")), of=F("team__name"))
        .order_by("of", "owner", "pk")
    )
    if last := _last(person, after):
        of, owner = last.team.name, last.agent.name if last.agent else ""
        found = found.filter(
            Q(of__gt=of) | Q(of=of, owner__gt=owner) | Q(of=of, owner=owner, pk__gt=last.pk)
        )
    policies = list(found[: ON_A_PAGE + 1])
    more = str(policies[ON_A_PAGE - 1].pk) if len(policies) > ON_A_PAGE else ""
    return [Shown.of(policy) for policy in policies[:ON_A_PAGE]], more


def _last(person: Person, text: str) -> Policy | None:
    try:
        return visible(person).filter(pk=UUID(text)).first()
    except ValueError:
        return None


def teams_without(person: Person) -> list[Team]:
    """Teams whose rules this person may write, and that have none of their own yet."""
    own = Policy.objects.filter(team=OuterRef("pk"), agent=None)
    teams = Team.objects.filter(~Exists(own))
    if not person.watches_everything:
        teams = teams.filter(pk__in=person.team_ids)
    return [
        team for team in teams.order_by("name")[:TEAMS_SHOWN] if person.edits_policy_for(team.pk)
    ]


# -- versions --------------------------------------------------------------------------------------


def versions(policy: Policy) -> list[PolicyVersion]:
    return list(policy.versions.defer("document").order_by("-number")[:VERSIONS_SHOWN])


def version(policy: Policy, number: int) -> PolicyVersion:
    return get_object_or_404(policy.versions.all(), number=number)


def compared(version: PolicyVersion, text: str) -> tuple[int, Difference]:
    """What this version changed in the one before it, or in another one that was asked for."""
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    other = wanted or version.number - 1
    before = version.policy.versions.filter(number=other).first()
    return (other if before else 0), difference(before.document if before else {}, version.document)


# -- the past --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Count:
    """So many actions to which one thing happened would have been answered so."""

    happened: str
    would: str
    meaning: str
    count: int
    differs: bool


@dataclass(frozen=True)
class Example:
    """An action that would have been answered otherwise."""

    action: Action
    happened: str
    would: str
    rule: str
    why: str


@dataclass(frozen=True)
class Trial:
    """What a document changes, and what it would have done in the last week."""

    difference: Difference
    replay: Replay
    counts: list[Count]
    examples: list[Example]
    settings: list[Tried]
    settings_left_out: int
    sections: list[SectionShown]

    @property
    def not_shown(self) -> int:
        return self.replay.changed_count - len(self.examples)


HAPPENED: dict[Happened, tuple[str, str]] = {
    "allowed": ("went through", "allow"),
    "approved": ("a person approved", "approve"),
    "rejected": ("a person rejected", "approve"),
    "held": ("waits for a person", "approve"),
    "expired": ("nobody answered", "approve"),
    "withdrawn": ("was withdrawn", "approve"),
    "denied": ("was denied", "deny"),
}
WOULD = {"allow": "go through", "approve": "need approval", "deny": "be denied"}


def trial(policy: Policy, document: dict[str, Any], *, now: datetime) -> Trial:
    """Of a document that was checked."""
    before = documenting.to_compare(policy, document)
    found = replay(policy, document, now=now)
    beside = trials(policy, before, document, now=now)
    actions = _actions(changed.id for changed in found.changed[:CHANGED_SHOWN])
    return Trial(
        difference(before if policy.current else {}, document),
        found,
        _counts(found),
        [_example(c, actions[c.id]) for c in found.changed[:CHANGED_SHOWN] if c.id in actions],
        [Tried(one) for one in beside.tried],
        beside.left_out,
        as_read(document),
    )


def _counts(found: Replay) -> list[Count]:
    """What differs first, then by size."""
    counts = [
        Count(
            HAPPENED[happened][0],
            WOULD[would],
            MEANING[would],
            count,
            HAPPENED[happened][1] != would,
        )
        for (happened, would), count in found.counts.items()
    ]
    return sorted(counts, key=lambda c: (not c.differs, -c.count))


def _example(changed: Changed, action: Action) -> Example:
    return Example(
        action, HAPPENED[changed.happened][0], WOULD[changed.would], changed.rule, changed.why
    )


@dataclass(frozen=True)
class ShadowResult:
    """What one rule in shadow would have done in the last week."""

    name: str
    would: str
    count: int
    examples: list[Action]

    @property
    def further(self) -> int:
        return self.count - len(self.examples)


def shadows(policy: Policy, *, now: datetime) -> tuple[int, list[ShadowResult]]:
    """How many actions were looked at, and what each rule in shadow would have done to them."""
    found = replay(policy, policy.document, now=now)
    of = "agent" if policy.agent_id else "team"
    own = {shadow.rule: shadow for shadow in found.shadows if shadow.of == of}
    actions = _actions(pk for shadow in own.values() for pk in shadow.examples)
    rules = [rule for rule in readable(policy.document).rules if rule.shadow]
    return found.looked_at, [_result(rule, own.get(rule.name), actions) for rule in rules]


def _result(rule: Rule, shadow: Shadowed | None, actions: dict[str, Action]) -> ShadowResult:
    examples = (
        [actions[pk] for pk in shadow.examples if pk in actions][:EXAMPLES_SHOWN] if shadow else []
    )
    return ShadowResult(rule.name, WOULD[rule.then], shadow.count if shadow else 0, examples)


def _actions(ids: Iterable[str]) -> dict[str, Action]:
    found = Action.objects.filter(pk__in=list(ids)).select_related("agent", "run")
    return {str(action.pk): action for action in found}
