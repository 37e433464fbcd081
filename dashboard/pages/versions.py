"""How a request came to be what it is: edits people made of it, and the versions its agent put after a question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.models import Action
from agents.models.action import Decision
from audit.models import Entry
from audit.names import signed
from reviews.models import Hold

from .arguments import Change, changes

EDITS_TOLD = 10


@dataclass(frozen=True)
class Edit:
    """One person's change of a request."""

    by: str
    at: datetime
    note: str
    revision: int
    changes: list[Change]


def edits(hold: Hold) -> list[Edit]:
    """Every change that people made, oldest first, from the record."""
    if hold.revision <= 1:
        return []
    found = Entry.objects.about(hold.record_name).filter(kind="hold.changed").order_by("-id")
    return [_edit(entry) for entry in reversed(found[:EDITS_TOLD])]


def _edit(entry: Entry) -> Edit:
    data = entry.data
    return Edit(
        by=signed(entry.actor),
        at=entry.at,
        note=entry.summary,
        revision=int(data.get("revision", 0)),
        changes=changes(_object(data.get("before")), _object(data.get("after"))),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Earlier:
    """The request somebody asked about, of which this is the new version."""

    action: Action
    changes: list[Change]

    @property
    def question(self) -> str:
        return self.action.message


def earlier(action: Action) -> Earlier | None:
    if action.revises_id is None:
        return None
    before = Action.objects.filter(pk=action.revises_id).defer("result", "error", "resume").first()
    if before is None:
        return None
    return Earlier(before, changes(before.effective_arguments, action.arguments))


def next_version(action: Action) -> Action | None:
    """The request its agent put after the question that was asked here."""
    if action.decision != Decision.ASKED:
        return None
    return (
        Action.objects.filter(revises=action.pk).only("id", "state", "run_id", "created_at").first()
    )
