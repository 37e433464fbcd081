"""A hold as the operators' API tells it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from agents.models import Action
from audit.errors import NotFound
from people.models import Person

from ..models import Hold, HoldKind

ROW = ("team", "queue", "agent", "run", "claimed_by")
BULKY = ("payload", "reason", "note", "candidate")
VERBS = {
    HoldKind.APPROVAL: ["approve", "edit", "reject", "answer", "ask"],
    HoldKind.TRIP: ["resume", "modify", "terminate"],
    HoldKind.REVIEW: ["resolve", "retry", "discard"],
}


def rows(person: Person) -> QuerySet[Hold]:
    """Holds this person may see, with what a row tells and nothing of any size."""
    standing = Count("votes", filter=Q(votes__dismissed_at=None))
    found = Hold.objects.visible_to(person).select_related(*ROW).annotate(given=standing)
    return found.defer(*BULKY, "run__metadata", "run__output")


def whole(pk: UUID, person: Person) -> Hold:
    """Raises NotFound for those who may not know of it."""
    found = (
        Hold.objects.visible_to(person)
        .select_related(*ROW, "action__run", "trip__breaker")
        .prefetch_related("votes__person", "votes__seat", "comments__author")
        .filter(pk=pk)
        .first()
    )
    if found is None:
        raise NotFound("There is no such hold.")
    return found


def row_out(hold: Hold, given: int) -> dict[str, Any]:
    return {
        "id": hold.pk,
        "kind": hold.kind,
        "state": hold.state,
        "decision": hold.decision,
        "title": hold.title,
        "subject": hold.subject,
        "team": named(hold.team),
        "queue": named(hold.queue),
        "agent": named(hold.agent),
        "run": named(hold.run) if hold.run else None,
        "amount": None if hold.amount is None else plain(hold.amount),
        "currency": hold.currency,
        "revision": hold.revision,
        "votes": {"given": given, "needed": hold.votes_needed},
        "claimed_by": hold.claimed_by.name if hold.claimed_by else None,
        "claimed_until": hold.claimed_until,
        "opened_at": hold.opened_at,
        "expires_at": hold.expires_at,
        "frozen_at": hold.frozen_at,
        "escalated_at": hold.escalated_at,
        "decided_by": hold.decided_by,
        "decided_at": hold.decided_at,
        "url": address(hold.get_absolute_url()),
    }


def hold_out(hold: Hold) -> dict[str, Any]:
    votes = [
        {
            "person": vote.person.name,
            "seat": vote.seat.name,
            "revision": vote.revision,
            "note": vote.note,
            "at": vote.at,
            "dismissed_at": vote.dismissed_at,
        }
        for vote in hold.votes.all()
    ]
    given = sum(vote["dismissed_at"] is None for vote in votes)
    return row_out(hold, given) | {
        "reason": hold.reason,
        "note": hold.note,
        "payload": hold.payload,
        "evidence": hold.evidence,
        "action": action_out(hold, hold.action) if hold.action else None,
        "requirement": hold.requirement.as_dict() if hold.kind == HoldKind.APPROVAL else None,
        "vote_list": votes,
        "comments": [
            {"author": said.author.name, "text": said.text, "at": said.at}
            for said in hold.comments.all()
        ],
        "verbs": verbs(hold),
        "links": links(hold),
    }


def action_out(hold: Hold, action: Action) -> dict[str, Any]:
    effective = hold.arguments if hold.is_open else action.effective_arguments
    digest = action.approval_digest
    return {
        "id": action.pk,
        "call_id": action.call_id,
        "tool": action.tool,
        "kind": action.kind,
        "state": action.state,
        "subject": action.subject,
        "reason": action.reason,
        "arguments": action.arguments,
        "candidate": hold.candidate,
        "effective_arguments": effective,
        "changes": list(changes(action.arguments, effective)),
        "policy_version": action.policy_version,
        "rule": action.rule,
        "why": action.state_reason,
        "digest": bytes(digest).hex() if digest else None,
        "revises": action.revises_id,
        "on_behalf_of": action.on_behalf_of,
        "message": action.message,
        "result": action.result,
        "error": action.error,
        "delivered_at": action.delivered_at,
        "claimed_at": action.claimed_at,
        "settled_at": action.settled_at,
        "trace_url": action.trace_url,
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What differs, key by key. `true` and `1` are not the same."""
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        is_same = old == new and isinstance(old, bool) is isinstance(new, bool)
        if key in before and key in after and is_same:
            continue
        yield {
            "key": key,
            "before": old,
            "after": new,
            "was_there": key in before,
            "is_there": key in after,
        }


def verbs(hold: Hold) -> list[str]:
    if hold.is_open:
        return ["claim", "release", *VERBS[HoldKind(hold.kind)], "extend", "escalate", "comment"]
    waits = hold.action is not None and hold.action.state == "approved"
    return ["deliver", "comment"] if waits else ["comment"]


def links(hold: Hold) -> dict[str, str | None]:
    action = hold.action
    return {
        "page": address(hold.get_absolute_url()),
        "raw": address(reverse("hold-raw", args=[hold.pk])),
        "run": address(hold.run.get_absolute_url()) if hold.run else None,
        "action": address(reverse("action", args=[action.run_id, action.pk])) if action else None,
    }


def address(path: str) -> str:
    return f"{settings.WATCHFLOOR_URL}{path}"


def named(thing: Any) -> dict[str, Any]:
    return {"id": thing.pk, "name": thing.name}


def plain(amount: Decimal) -> str:
    """A decimal as people write it: `82.5`, never `8.25E+1`."""
    return f"{amount.normalize():f}"
