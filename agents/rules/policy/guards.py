"""What a condition may not do, so that no agent can make judging slow by what it sends.

Judging must stay linear in the size of the arguments. One loop over a list is; a loop in a loop, or a search
for one long text in another, is not.
"""

from __future__ import annotations

from .syntax import Node

MOST_LOOPS = 3
MOST_SUMS = 4
"""Additions in a condition: what is added may be long texts or lists, and each sum copies them."""
GROWING = "@result"
"""What the library calls the result of a loop so far."""
COMPARISONS = {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"}
SHORT = ("tool", "kind", "currency", "environment", "agent.name", "agent.team")
"""Variables that are short whatever the agent does."""


def objection(tree: Node, variables: frozenset[str]) -> str:
    """Why this condition is refused, as a sentence; empty when it is not."""
    loops = [node for node in tree.walk() if node.kind == "loop"]
    if len(loops) > MOST_LOOPS:
        return f"At most {MOST_LOOPS} of exists, exists_one and all go into one condition."
    if sum(map(_adds, tree.walk())) > MOST_SUMS:
        return f"At most {MOST_SUMS} additions go into one condition; write two rules."
    for loop in loops:
        if said := objection_to_loop(loop, variables):
            return said
    for node in tree.walk():
        if node.kind == "struct" and node.name:
            return f"It cannot make a “{node.name}”."
        if said := objection_to_search(node):
            return said
    return ""


def objection_to_loop(loop: Node, variables: frozenset[str]) -> str:
    """In a loop's body, what the agent sent may only be compared with the item at hand."""
    if loop.name in variables:
        return f"“{loop.name}” has a meaning already; call the item of the list something else."
    if any(_collects(node) for part in loop.parts[1:] for node in part.walk()):
        return "map and filter take too long on long lists; ask with exists, exists_one or all."
    for part in loop.parts[1:]:
        if any(node.kind == "loop" for node in part.walk()):
            return "exists, exists_one and all cannot stand in one another; write two rules."
        if not _only_compares(part, loop.name):
            return (
                f"Inside exists, exists_one and all, args can only be compared with the item: "
                f"{loop.name}.limit < args.limit."
            )
    return ""


def _collects(node: Node) -> bool:
    """A list that grows with each item is copied each time: 9,000 items take the library over a second."""
    return (
        node.kind == "call"
        and node.name == "_+_"
        and node.parts[0].name == GROWING
        and (node.parts[1].kind == "list")
    )


def _adds(node: Node) -> bool:
    return node.kind == "call" and node.name == "_+_" and node.parts[0].name != GROWING


def _only_compares(node: Node, item: str) -> bool:
    if node.kind == "call" and node.name in COMPARISONS:
        left, right = node.parts
        if (left.path or ("",))[0] == "args" and right.mentions(item):
            return _only_compares(right, item)
        if (right.path or ("",))[0] == "args" and left.mentions(item):
            return _only_compares(left, item)
    if node.kind == "ident" and node.name == "args":
        return False
    return all(_only_compares(part, item) for part in node.parts)


def objection_to_search(node: Node) -> str:
    if node.kind != "call":
        return ""
    if node.name == "matches" and not node.parts[-1].is_text:
        return "The pattern of matches must be written out in quotes."
    if node.name == "contains" and not _is_short(node.parts[-1]):
        return "What contains looks for must be written out in quotes."
    return ""


def _is_short(node: Node) -> bool:
    return node.is_text or (node.kind == "ident" and node.name in SHORT)


def is_costly(tree: Node) -> bool:
    """Whether its time grows with what the agent sends: loops, patterns and sums."""
    return any(
        node.kind == "loop"
        or (node.kind == "call" and node.name in ("matches", "contains"))
        or _adds(node)
        for node in tree.walk()
    )
