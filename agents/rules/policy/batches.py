"""Many conditions asked at once: one evaluation says that none of a batch holds.

In CEL `a || b` is true when one side is true whatever the other, an error when none is true and one fails,
and false only when both are false. So a batch that is false spares its rules; otherwise each is asked.
"""

from __future__ import annotations

from collections import defaultdict

from cel_expr_python import cel

from .conditions import Condition, environment, facts_of_nobody
from .document import Rule

LARGEST = 32
LONGEST = 8_000
"""Characters of a batch; the library takes a hundred thousand."""


def batches(rules: list[tuple[Rule, Condition]]) -> list[cel.Expression | None]:
    """For each rule the expression of its batch, or None when it stands alone.

    Rules for the same tools share a batch. What looks through lists or texts is never asked twice.
    """
    found: list[cel.Expression | None] = [None] * len(rules)
    for numbers in gathered(rules):
        if len(numbers) > 1:
            expression = either([rules[number][1].text for number in numbers])
            for number in numbers:
                found[number] = expression
    return found


def gathered(rules: list[tuple[Rule, Condition]]) -> list[list[int]]:
    """Numbers of the rules of each batch."""
    closed: list[list[int]] = []
    open_ones: dict[tuple[str, ...], list[int]] = defaultdict(list)
    length: dict[tuple[str, ...], int] = defaultdict(int)
    for number, (rule, condition) in enumerate(rules):
        if condition.expression is None or condition.is_costly:
            continue
        tools, size = rule.tools, len(condition.text)
        if len(open_ones[tools]) >= LARGEST or length[tools] + size > LONGEST:
            closed.append(open_ones.pop(tools))
            length[tools] = 0
        open_ones[tools].append(number)
        length[tools] += size
    return closed + list(open_ones.values())


def either(texts: list[str]) -> cel.Expression | None:
    """One condition for all. A line of its own each, for a comment ends with its line."""
    try:
        expression = environment().compile(" || ".join(f"({text}\n)" for text in texts))
        expression.eval(environment().Activation(facts_of_nobody()))
    except Exception:  # too deep together: each is asked by itself
        return None
    return expression
