"""Work that agents hand to people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import StringConstraints

from agents.api.door import Shape, agent_of, limited
from agents.models import Run
from agents.shapes import VISIBLE

from ..models import Hold, HoldKind
from ..transitions import opening

router = Router()

PAYLOAD_BYTES = 512 * 1024


class HandOver(Shape):
    key: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    title: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    queue: Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=VISIBLE)] = (
        opening.UNCLASSIFIED
    )
    reason: Annotated[str, StringConstraints(max_length=4000)] = ""
    subject: Annotated[str, StringConstraints(max_length=500)] = ""
    payload: Any = None


class ReviewOut(Schema):
    id: UUID
    key: str
    queue: str
    title: str
    state: str
    decision: str
    note: str
    decided_by: str
    decided_at: datetime | None
    payload: Any


def review_out(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.pk,
        "key": hold.key,
        "queue": hold.queue.name,
        "title": hold.title,
        "state": hold.state,
        "decision": hold.decision,
        "note": hold.note,
        "decided_by": hold.decided_by,
        "decided_at": hold.decided_at,
        "payload": hold.payload,
    }


@router.post("/runs/{uuid:run_id}/reviews", response={200: ReviewOut, 201: ReviewOut})
def hand_over(request: HttpRequest, run_id: UUID, body: HandOver) -> Any:
    """Hand work to a queue; the same key again is the same work."""
    limited(body.payload, "payload", PAYLOAD_BYTES)
    run = get_object_or_404(Run, pk=run_id, agent=agent_of(request))
    hold, made = opening.hand_over(run, **body.dict())
    return Status(201 if made else 200, review_out(hold))


@router.get("/reviews/{uuid:review_id}", response=ReviewOut)
def read_review(request: HttpRequest, review_id: UUID) -> Any:
    """How handed-over work stands."""
    holds = Hold.objects.filter(kind=HoldKind.REVIEW, agent=agent_of(request))
    return review_out(get_object_or_404(holds.select_related("queue"), pk=review_id))
