"""Rules and rulings as people say them."""

from __future__ import annotations

from . import durations
from .document import ANY, Rule
from .ruling import Requirement


def rule(found: Rule) -> str:
    """`refund.issue when double(args.amount) > 50.0: needs 2 approvals of leads within 4 hours, else denied`."""
    when = "" if found.when == "true" else f" when {' '.join(found.when.split())}"
    return f"{tools(found.tools)}{when}: {consequence(found)}"


def tools(names: tuple[str, ...]) -> str:
    if ANY in names:
        return "any tool"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def consequence(found: Rule) -> str:
    if found.approval is None:
        return {"allow": "allowed", "deny": "denied", "approve": "needs approval"}[found.then]
    return f"needs {approval(found.approval)}"


def approval(needed: Requirement) -> str:
    """`2 approvals of trading-leads within 4 hours, else denied`."""
    words = f"{needed.votes} approvals" if needed.votes > 1 else "approval"
    if deciders := [*needed.groups, *needed.people]:
        words += f" of {either(deciders)}"
    if needed.queue:
        words += f" in {needed.queue}"
    if needed.step_up:
        words += " after a fresh sign-in"
    if needed.within:
        words += f" within {durations.spoken(needed.within)}"
        words += " of working time" if needed.working_time else ""
    elif needed.working_time:
        words += " in working time"
    if needed.otherwise == "escalate":
        return f"{words}, else it goes to {needed.escalate_to}"
    return f"{words}, else denied"


def either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def why(found: Rule, tool: str, unread: str = "") -> str:
    """Why an action was ruled so. `unread` says what kept the condition from being worked out."""
    sentence = found.because or made_up(found, tool)
    if not unread:
        return sentence
    if sentence[-1:] not in ".!?":
        sentence += "."
    return f"{sentence} (Rule “{found.name}” could not be read here: {unread}. That counts as a match.)"


def made_up(found: Rule, tool: str) -> str:
    if found.then == "allow":
        return f"Rule “{found.name}” allows {tool}."
    if found.then == "deny":
        return f"Rule “{found.name}” denies {tool}."
    assert found.approval is not None
    return f"{tool} needs {approval(found.approval)}, by rule “{found.name}”."
