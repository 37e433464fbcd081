"""Who may do what: one table, for verbs (who refuse in words) and for pages (which leave the button out).

Leads, ops and admins act for the teams they have that role in. What touches every team at once takes ops or admin of every team: a lead
answers for their own people.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum


class Permission(StrEnum):
    """What a person may do to what acts. The value is the word that code and pages use."""

    PAUSE = "pause"
    RESUME = "resume"
    MODIFY = "modify"
    TERMINATE = "terminate"
    CANCEL = "cancel"
    RAISE_LIMIT = "raise_limit"
    CHANGE_BREAKER = "change_breaker"
    FORCE = "force"
    DISABLE = "disable"
    RETIRE = "retire"
    SWITCH_TEAM = "switch_team"
    SWITCH_EVERYTHING = "switch_everything"
    ERASE = "erase"
    LEGAL_HOLD = "legal_hold"
    RETENTION = "retention"


_ACTING = frozenset({"lead", "ops", "admin"})
_HOUSE = frozenset({"ops", "admin"})
_KEEPING = frozenset({"auditor", "admin"})

ROLES: dict[Permission, frozenset[str]] = {
    Permission.PAUSE: _ACTING,
    Permission.RESUME: _ACTING,
    Permission.MODIFY: _ACTING,
    Permission.TERMINATE: _ACTING,
    Permission.CANCEL: _ACTING,
    Permission.RAISE_LIMIT: _ACTING,
    Permission.CHANGE_BREAKER: _ACTING,
    Permission.FORCE: _ACTING,
    Permission.DISABLE: _ACTING,
    Permission.RETIRE: _ACTING,
    Permission.SWITCH_TEAM: _ACTING,
    Permission.SWITCH_EVERYTHING: _HOUSE,
    Permission.ERASE: _KEEPING,
    Permission.LEGAL_HOLD: _KEEPING,
    Permission.RETENTION: frozenset({"admin"}),
}
"""The roles that may; a role in one team says nothing of another."""

EVERYWHERE = frozenset({Permission.SWITCH_EVERYTHING})
"""These take the role in every team."""

DANGEROUS = frozenset(
    {
        Permission.TERMINATE,
        Permission.FORCE,
        Permission.DISABLE,
        Permission.SWITCH_TEAM,
        Permission.SWITCH_EVERYTHING,
        Permission.ERASE,
        Permission.LEGAL_HOLD,
    }
)
"""These need a reason, for whoever reads the record."""

WORDS: dict[Permission, str] = {
    Permission.PAUSE: "Pausing",
    Permission.RESUME: "Resuming",
    Permission.MODIFY: "Changing what an agent does",
    Permission.TERMINATE: "Terminating",
    Permission.CANCEL: "Asking to cancel what is in flight",
    Permission.RAISE_LIMIT: "Raising a limit",
    Permission.CHANGE_BREAKER: "Changing a breaker",
    Permission.FORCE: "Forcing a breaker open",
    Permission.DISABLE: "Disabling a breaker",
    Permission.RETIRE: "Retiring an agent",
    Permission.SWITCH_TEAM: "Stopping a whole team",
    Permission.SWITCH_EVERYTHING: "Stopping everything",
    Permission.ERASE: "Erasing from the record",
    Permission.LEGAL_HOLD: "Keeping entries for the law",
    Permission.RETENTION: "Saying how long the record is kept",
}


def may(permission: Permission, roles: Collection[str]) -> bool:
    """Whether somebody with these roles may. `roles` are those that count there: see EVERYWHERE."""
    return not ROLES[permission].isdisjoint(roles)


def refusal(permission: Permission) -> str:
    """Who may, for whoever may not: `Forcing a breaker open takes a lead, ops or admin of its team.`"""
    named = [role for role in ("lead", "ops", "auditor", "admin") if role in ROLES[permission]]
    where = "every team" if permission in EVERYWHERE else "its team"
    article = {"lead": "a ", "auditor": "an "}.get(named[0], "")
    return f"{WORDS[permission]} takes {article}{_either(named)} of {where}."


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
