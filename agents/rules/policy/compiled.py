"""A policy ready to judge: conditions compiled, rules found by tool."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from cel_expr_python import cel

from audit.errors import Invalid

from . import conditions, patterns, sentences
from .batches import batches
from .conditions import BadCondition, Condition, Data, Path
from .document import Document, Rule, parse
from .ruling import Case, Ruling, Shadow

MOST_COSTLY = 100
"""Rules of a policy whose time grows with what the agent sends (lists, patterns)."""
MOST_KEPT = 256
"""Tools for which the matching rules are kept; agents choose what they call a tool."""

type Schemas = Mapping[str, Mapping[str, Any]]


class Ready(NamedTuple):
    """A rule to be asked; `batch` is false when no condition of its batch holds."""

    rule: Rule
    condition: Condition
    batch: cel.Expression | None


class Asked(NamedTuple):
    """The rules for one tool in order, and where their `double()`s read.

    `after` says for each rule where the next one of another batch stands.
    """

    rules: tuple[Ready, ...]
    after: tuple[int, ...]
    doubled: frozenset[Path]


class Compiled:
    """A policy ready to judge. Never changes, so threads may share it."""

    def __init__(self, document: Document, schemas: Schemas | None = None) -> None:
        self.document = document
        self.tools: tuple[str, ...] = document.tools or ()
        self.rules = ready(document, schemas or {})
        self.variables: frozenset[str] = frozenset().union(
            *(rule.condition.variables for rule in self.rules)
        )
        self._by_pattern: dict[str, list[int]] = defaultdict(list)
        for number, rule in enumerate(document.rules):
            for pattern in rule.tools:
                self._by_pattern[pattern].append(number)
        self._globs = [p for p in self._by_pattern if patterns.is_glob(p)]
        self._exact_tools = frozenset(t for t in self.tools if not patterns.is_glob(t))
        self._tool_globs = [t for t in self.tools if patterns.is_glob(t)]
        self._kept: dict[str, Asked] = {}

    @property
    def uses_working_time(self) -> bool:
        """Whether a case needs to know if the team works now."""
        return "working_time" in self.variables

    def may_use(self, tool: str) -> bool:
        """Listed, by its name or a pattern; a name that no rule could write never is."""
        return patterns.can_be_named(tool) and (
            tool in self._exact_tools or any(patterns.fits(g, tool) for g in self._tool_globs)
        )

    def judge(self, case: Case) -> Ruling:
        """The first rule that matches decides; none: allow. Never raises.

        A condition that cannot be worked out is read the strict way: an `allow` rule does not match then, the
        others do. Rules in shadow are told when they would have decided, and decide nothing.
        """
        try:
            return self._judge(case)
        except Exception:  # what cannot be judged is not allowed
            return Ruling("deny", why="The policy could not judge this.", code="policy")

    def _judge(self, case: Case) -> Ruling:
        asked = self._asked_of(case.tool)
        if not asked.rules:
            return Ruling("allow")
        shadows: list[Shadow] = []
        for rule, says in matching(asked, conditions.facts(case)):
            if not rule.shadow:
                return ruled(rule, case.tool, "" if says is True else says, tuple(shadows))
            shadows.append(Shadow(rule.name, rule.then))
        return Ruling("allow", shadows=tuple(shadows))

    def _asked_of(self, tool: str) -> Asked:
        """The rules for this tool, in order."""
        if (kept := self._kept.get(tool)) is not None:
            return kept
        numbers = set(() if patterns.is_glob(tool) else self._by_pattern.get(tool, ()))
        for glob in self._globs:
            if patterns.fits(glob, tool):
                numbers.update(self._by_pattern[glob])
        rules = tuple(self.rules[number] for number in sorted(numbers))
        doubled = frozenset().union(*(rule.condition.doubled for rule in rules))
        found = Asked(rules, afters(rules), doubled)
        if len(self._kept) >= MOST_KEPT:
            self._kept = {}  # replaced, not emptied: another thread may be reading it
        self._kept[tool] = found
        return found


def matching(asked: Asked, data: Data) -> Iterator[tuple[Rule, Literal[True] | str]]:
    """The rules that match, in order, each with True or with why its condition could not be worked out."""
    activation = conditions.environment().Activation(data)
    endless = conditions.endless_in(data, asked.doubled)
    spares: dict[int, bool] = {}
    rules, at = asked.rules, 0
    while at < len(rules):
        rule, condition, batch = rules[at]
        if batch is not None and not endless:
            if id(batch) not in spares:
                spares[id(batch)] = none_holds(batch, activation)
            if spares[id(batch)]:
                at = asked.after[at]
                continue
        at += 1
        says = condition.says(activation, endless)
        if says is True or (says is not False and rule.then != "allow"):
            yield rule, says


def afters(rules: tuple[Ready, ...]) -> tuple[int, ...]:
    found: list[int] = []
    for at in range(len(rules) - 1, -1, -1):
        together = at + 1 < len(rules) and rules[at].batch is rules[at + 1].batch
        found.append(found[-1] if together else at + 1)
    return tuple(reversed(found))


def none_holds(batch: cel.Expression, activation: cel.Activation) -> bool:
    try:
        return batch.eval(activation).value() is False
    except Exception:
        return False


def ready(document: Document, schemas: Schemas) -> tuple[Ready, ...]:
    """Each rule with its condition and its batch. Raises Invalid."""
    found = [(rule, compiled_condition(rule, schemas)) for rule in document.rules]
    costly = sum(condition.is_costly for _, condition in found)
    if costly > MOST_COSTLY:
        raise Invalid(
            f"{costly} rules look through lists or texts (exists, all, matches, "
            f"contains, +); {MOST_COSTLY} are the most, or judging would take too long."
        )
    together = zip(found, batches(found), strict=True)
    return tuple(Ready(rule, condition, batch) for (rule, condition), batch in together)


def compile_policy(document: Any, schemas: Schemas | None = None) -> Compiled:
    """Check and compile `{tools, rules}`. Raises Invalid with a sentence that names rule and place.

    `schemas` are JSON Schemas by tool: a rule for exactly one tool may then only look at arguments it has.
    """
    return Compiled(parse(document), schemas)


def compiled_condition(rule: Rule, schemas: Schemas) -> Condition:
    schema = None
    if len(rule.tools) == 1 and not patterns.is_glob(rule.tools[0]):
        schema = schemas.get(rule.tools[0])
    try:
        return conditions.compiled(rule.when, schema)
    except BadCondition as error:
        place = f" {error.complaint.place}" if error.complaint.place else ""
        raise Invalid(f"Rule “{rule.name}”: when{place}: {error.complaint.text}") from None


def ruled(rule: Rule, tool: str, unread: str, shadows: tuple[Shadow, ...]) -> Ruling:
    codes = {"allow": "", "deny": "policy", "approve": "approval"}
    return Ruling(
        rule.then,
        rule=rule.name,
        why=sentences.why(rule, tool, unread),
        code=codes[rule.then],
        requirement=rule.approval,
        shadows=shadows,
    )
