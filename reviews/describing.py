"""What a message that leaves the house says of a hold, and the links that lead back to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from audit import outbox
from audit.messages import moment

from .models import Hold, HoldKind

INVITES: dict[str, tuple[str, ...]] = {
    HoldKind.APPROVAL: ("approve", "reject"),
    HoldKind.TRIP: ("resume", "terminate"),
}
"""Answers a message may link to. Such a link shows the page with that answer open; only its button decides."""


def describe(name: str) -> dict[str, Any]:
    """`hold` and `links` for the data of a message. How it stands when the message is first sent.

    Title, tool and names are an agent's words. The link to a page tells nothing: the page asks who is there.
    """
    hold = Hold.objects.select_related("agent", "queue", "action").get(pk=UUID(name))
    return {
        "hold": {
            "id": str(hold.pk),
            "kind": hold.kind,
            "title": hold.title,
            "agent": hold.agent.name,
            "tool": hold.action.tool if hold.action else None,
            "amount": None if hold.amount is None else f"{hold.amount.normalize():f}",
            "currency": hold.currency or None,
            "queue": hold.queue.name,
            "state": hold.state,
            "decision": hold.decision or None,
            "expires_at": moment(hold.expires_at) if hold.expires_at else None,
        },
        "links": links(hold),
    }


def links(hold: Hold) -> dict[str, str]:
    verbs = INVITES.get(hold.kind, ()) if hold.is_open else ()
    view = settings.WATCHFLOOR_URL + reverse("hold", args=[hold.pk])
    return {"view": view} | {verb: f"{view}{verb}/" for verb in verbs}


outbox.describers["reviews.hold"] = describe
