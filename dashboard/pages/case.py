"""A case told whole: from what was proposed to what came of it, with the proof of every step."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404

from agents.models import Action
from agents.redacting import GONE
from agents.transitions import action as actions
from audit.errors import Invalid
from audit.models import Entry
from people.models import Person
from reviews import cases
from reviews.cases import Case
from reviews.models import Comment, Hold, Vote

from . import entry as entries
from .arguments import Change, changes
from .record import readable_by, teams_read_by
from .record_lines import Line, told
from .why import Why, why

STEPS = cases.MOST_ENTRIES
SAID = {"hold.approved", "hold.edited", "hold.voted"}
"""Kinds of entries that say which bytes a yes was for."""


@dataclass(frozen=True)
class Step:
    """One entry of the case."""

    line: Line
    changes: list[Change]
    source: list[tuple[str, str]]


@dataclass(frozen=True)
class Bound:
    """What people said yes to and what began, each as the digest that the record holds."""

    approved: str
    ran: str
    """Empty while nothing began."""
    now: str
    """Computed afresh from the arguments that are kept."""

    @property
    def is_same(self) -> bool:
        return {self.approved} == {self.ran or self.approved, self.now}


def find(pk: UUID, person: Person) -> Case:
    """404 for those who do not read the record of its team."""
    found = cases.find(pk, person)
    if found is None or not readable_teams(person, found):
        raise Http404
    return found


def readable_teams(person: Person, case: Case) -> bool:
    teams = teams_read_by(person)
    return teams is None or str(case.team_id) in teams


def whole(case: Case, person: Person) -> dict[str, Any]:
    action, hold = case.action, case.hold
    steps = _steps(case, person)
    erased = sum(step.line.entry.is_erased for step in steps)
    return {
        "case": case,
        "hold": hold,
        "action": action,
        "agent": hold.agent if hold else action.agent if action else None,
        "run": hold.run if hold else action.run if action else None,
        "trip": case.trip,
        "steps": steps,
        "is_cut": len(steps) == STEPS,
        "proved": sum(step.line.index is not None for step in steps),
        "erased": erased,
        "is_gone": bool(erased and action and action.arguments == GONE),
        "why": _why(hold, action),
        "changes": changes(action.arguments, action.effective_arguments) if action else [],
        "bound": _bound(action, steps) if action else None,
        "votes": _votes(case),
        "comments": _comments(case),
        "earlier": [one for one in case.versions if action and one.pk != action.pk],
        "retries": _retries(action) if action else [],
        "cost": sum((one.cost_usd for one in case.versions), Decimal(0)),
    }


def _steps(case: Case, person: Person) -> list[Step]:
    numbers = list(case.lines().values_list("pk", flat=True)[:STEPS])
    found = list(readable_by(person).filter(pk__in=numbers).order_by("pk"))
    return [
        Step(line, entries.changed(line.entry), _short(entries.source(line.entry, {})))
        for line in told(found, person)
    ]


def _short(source: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Where it came from, without the program's long name: that is on the entry's page."""
    return [row for row in source if row[0] != "Program"]


def _why(hold: Hold | None, action: Action | None) -> Why | None:
    return why(hold, action) if hold and action and hold.kind == "approval" else None


def _bound(action: Action, steps: list[Step]) -> Bound | None:
    """Nothing where nobody had to say yes."""
    approved = ran = ""
    for step in steps:
        entry: Entry = step.line.entry
        digest = str((entry.data or {}).get("digest", ""))
        if entry.about != action.record_name and entry.kind not in SAID:
            continue
        if entry.kind in SAID:
            approved = digest or approved
        elif entry.kind == "action.executing":
            ran = digest or ran
    approved = approved or bytes(action.approval_digest or b"").hex()
    if not approved:
        return None
    try:
        now = actions.binding(action, action.effective_arguments).hex()
    except Invalid:
        now = ""
    if action.claimed_at and not ran:
        ran = bytes(action.approval_digest or b"").hex()  # what the claim was checked against
    return Bound(approved, ran, now)


def _votes(case: Case) -> QuerySet[Vote]:
    found = Vote.objects.filter(hold__in=[hold.pk for hold in case.holds])
    return found.select_related("person", "seat").order_by("at")


def _comments(case: Case) -> QuerySet[Comment]:
    found = Comment.objects.filter(hold__in=[hold.pk for hold in case.holds])
    return found.select_related("author").order_by("at")


def _retries(action: Action) -> list[Action]:
    """The same step or the same key, tried again in its run."""
    tried = Action.objects.filter(run=action.run_id, tool=action.tool).exclude(pk=action.pk)
    if action.idempotency_key:
        tried = tried.filter(idempotency_key=action.idempotency_key)
    elif action.step:
        tried = tried.filter(step=action.step)
    else:
        return []
    unread = ("arguments", "approved_arguments", "result", "error", "resume")
    return list(tried.defer(*unread).order_by("id")[:20])
