"""Conditions in CEL (Common Expression Language, cel.dev), compiled by Google's cel-cpp."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from math import isfinite
from typing import Any

from cel_expr_python import cel

from . import guards, schemas, words
from .ruling import Case
from .syntax import Node, tree
from .words import Complaint, complaint

type Data = dict[str, Any]
type Path = tuple[str, ...]

LONGEST = 2_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

VARIABLES: dict[str, cel.Type] = {
    "args": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "tool": cel.Type.STRING,
    "kind": cel.Type.STRING,
    "subject": cel.Type.STRING,
    "amount": cel.Type.DYN,
    "currency": cel.Type.STRING,
    "cost_usd": cel.Type.DYN,
    "tokens": cel.Type.DYN,
    "environment": cel.Type.STRING,
    "agent.name": cel.Type.STRING,
    "agent.team": cel.Type.STRING,
    "run.name": cel.Type.STRING,
    "on_behalf_of": cel.Type.STRING,
    "now": cel.Type.TIMESTAMP,
    "working_time": cel.Type.BOOL,
}
RESERVED = frozenset(name.split(".")[0] for name in VARIABLES)

NOT_FINITE = re.compile(r"\s*[+-]?\s*(nan|inf)", re.IGNORECASE)
"""Texts that `double()` reads as no number or none with an end. Such a number is above and below nothing,
so an agent that sends `"nan"` would slip under every limit: what reads so cannot be read."""


class BadCondition(Exception):
    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint.text)
        self.complaint = complaint


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. Its expression is None when it holds always."""

    text: str
    expression: cel.Expression | None = None
    variables: frozenset[str] = frozenset()
    doubled: frozenset[Path] = frozenset()
    """Where the values stand that `double()` reads; the empty path is: anywhere."""
    is_costly: bool = False

    def says(self, activation: cel.Activation, endless: frozenset[Path]) -> bool | str:
        """True, False, or why it cannot be worked out (half a sentence). Never raises.

        `endless` are the paths whose values have no end; see `endless_in`.
        """
        if self.expression is None:
            return True
        try:
            answer = self.expression.eval(activation).value()
        except Exception as error:  # the library, or what was sent; whoever sent it must not profit
            return words.failure(str(error))
        if endless and not endless.isdisjoint(self.doubled):
            return "a text is no number"
        return answer if isinstance(answer, bool) else words.failure(str(answer))


ALWAYS = Condition("true")


def compiled(text: str, schema: Mapping[str, Any] | None = None) -> Condition:
    """Compile a condition and check what it uses. Raises BadCondition.

    With the JSON Schema of the one tool it is for, arguments that the tool does not have are refused.
    """
    if text.strip() == "true":
        return ALWAYS
    expression, found = parsed(text)
    if said := guards.objection(found, RESERVED) or bad_constant(found):
        raise BadCondition(Complaint(said))
    paths = {path for node in found.walk() if (path := node.path)}
    if schema and (said := schemas.objection(paths, schema)):
        raise BadCondition(Complaint(said))
    planned(expression)
    return Condition(
        text=text,
        expression=expression,
        variables=frozenset(path[0] for path in paths if path[0] in VARIABLES),
        doubled=doubles(found),
        is_costly=guards.is_costly(found),
    )


def planned(expression: cel.Expression) -> None:
    """The first evaluation plans the expression, and finds what can never be worked out."""
    try:
        expression.eval(environment().Activation(facts_of_nobody()))
    except Exception as error:
        what = str(error).split(": ", 1)[-1].removesuffix("]").rsplit(" [", 1)[0]
        raise BadCondition(Complaint(f"It can never be worked out ({what[:200]}).")) from None


def parsed(text: str) -> tuple[cel.Expression, Node]:
    """Compile with types checked. Raises BadCondition."""
    if len(text) > LONGEST:
        raise BadCondition(Complaint(f"It has {len(text):,} characters; {LONGEST:,} are the most."))
    try:
        expression = environment().compile(text)
        result = expression.return_type()
    except Exception as error:
        raise BadCondition(complaint(str(error), text, VARIABLES)) from None
    if result != cel.Type.BOOL:
        what = words.kind(result.name().lower())
        raise BadCondition(
            Complaint(
                f"It must ask a yes-or-no question, and it is {what}; compare it with something."
            )
        )
    return expression, tree(expression.serialize())


@cache
def environment() -> cel.Env:
    return cel.NewEnv(variables=VARIABLES)


def facts(case: Case) -> Data:
    """What the variables stand for in this case."""
    return {
        "args": case.arguments,
        "tool": case.tool,
        "kind": case.kind,
        "subject": case.subject,
        "amount": None if case.amount is None else finite(case.amount),
        "currency": case.currency,
        "cost_usd": finite(case.cost_usd),
        "tokens": case.tokens,
        "environment": case.environment,
        "agent.name": case.agent,
        "agent.team": case.team,
        "run.name": case.run,
        "on_behalf_of": case.on_behalf_of,
        "now": case.now,
        "working_time": case.working_time,
    }


def facts_of_nobody() -> Data:
    """To try an expression with; its first evaluation plans it."""
    return facts(Case(tool="", arguments={}, now=EPOCH))


def finite(value: Any) -> float | None:
    """As a double; None, which no limit can be compared with, when it is none."""
    number = float(value)
    return number if isfinite(number) else None


def doubles(found: Node) -> frozenset[Path]:
    """Where `double()` reads from: paths, or the empty path when that is not plain from the text."""
    calls = [n for n in found.walk() if n.kind == "call" and n.name == "double" and n.parts]
    operands = [call.parts[0] for call in calls]
    known = {path for operand in operands if (path := operand.path) and path[0] in VARIABLES}
    if any(not o.path or o.path[0] not in VARIABLES for o in operands if o.kind != "const"):
        return frozenset({()})
    return frozenset(known)


def endless_in(data: Data, paths: frozenset[Path]) -> frozenset[Path]:
    """Those of the paths that `double()` would read as no number, or as one without an end."""
    return frozenset(path for path in paths if is_endless(data, path))


def is_endless(data: Data, path: Path) -> bool:
    """Whether the text there reads as no number or none with an end; the empty path looks everywhere."""
    value: Any = data
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    if path:
        return isinstance(value, str) and NOT_FINITE.match(value) is not None
    waiting = [data["args"], data["subject"], data["on_behalf_of"]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and NOT_FINITE.match(value):
            return True
    return False


TIME_PARTS = [name for name in words.FUNCTIONS if name.startswith("get")]
CHECKED = {
    "matches": ('"".matches(subject)', "is no pattern (RE2)"),
    "timestamp": ("timestamp(subject) == now", "is no point in time (2026-11-21T09:00:00Z)"),
    "duration": ('duration(subject) == duration("1s")', "is no span of time (90m, 12h)"),
} | dict.fromkeys(TIME_PARTS, ("now.getHours(subject) == 0", "is no time zone (Europe/Berlin)"))
"""Functions that take a written text in a form of its own: how to try one, and what to say of it."""


def bad_constant(found: Node) -> str:
    """A written pattern, zone or time that could never be read."""
    for node in found.walk():
        text = node.parts[-1] if node.kind == "call" and node.parts else None
        if text is None or not text.is_text or node.name not in CHECKED:
            continue
        question, what_is_wrong = CHECKED[node.name]
        tried = (
            environment()
            .compile(question)
            .eval(environment().Activation(facts_of_nobody() | {"subject": text.name}))
        )
        if not isinstance(tried.value(), bool):
            return f"“{text.name}” {what_is_wrong}."
    return ""
