"""The operators' API: what the pages of holds do, for scripts. Translate, call one verb, answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from agents.api.door import limited
from agents.shapes import ARGUMENTS_BYTES
from audit.errors import Conflict, Invalid
from people.models import Person

from ..models import Hold
from ..transitions import delivery
from ..transitions import hold as transitions
from . import finding, shapes, told
from .door import PersonalTokenAuth, person_of
from .endpoints import PAYLOAD_BYTES

router = Router(auth=PersonalTokenAuth(), tags=["operators"])

STATE_BYTES = 64 * 1024


# -- looking ---------------------------------------------------------------------------------------


@router.get("/holds", response=shapes.HoldList)
def holds(request: HttpRequest, wanted: Query[shapes.Filters]) -> Any:
    """What waits, or was decided, the newest first."""
    if unknown := request.GET.keys() - shapes.Filters.model_fields.keys():
        raise Invalid(f"There is no filter called {min(unknown)[:80]}.")
    page = finding.found(person_of(request), wanted)
    shown = page[: wanted.limit]
    return {
        "items": [told.row_out(hold, hold.given) for hold in shown],  # type: ignore[attr-defined]
        "next": shown[-1].pk if len(page) > wanted.limit else None,
    }


@router.get("/holds/{uuid:pk}", response=shapes.HoldOut)
def hold(request: HttpRequest, pk: UUID) -> Any:
    """One hold with all that is needed to decide it."""
    return told.hold_out(told.whole(pk, person_of(request)))


# -- answering -------------------------------------------------------------------------------------


def said(request: HttpRequest, pk: UUID, verb: Callable[..., Any], **words: Any) -> Any:
    """Call the verb as the person, and tell how the hold stands. A conflict says who was first, with what."""
    person = person_of(request)
    try:
        verb(pk, by=person, **words)
    except Conflict as refusal:
        refusal.extra |= standing(pk, person)
        raise
    return told.hold_out(told.whole(pk, person))


def standing(pk: UUID, person: Person) -> dict[str, Any]:
    found = Hold.objects.visible_to(person).select_related("claimed_by").filter(pk=pk).first()
    if found is None:
        return {}
    return {
        "hold": {
            "state": found.state,
            "decision": found.decision,
            "decided_by": found.decided_by,
            "decided_at": found.decided_at,
            "claimed_by": found.claimed_by.name if found.claimed_by else None,
            "revision": found.revision,
        }
    }


@router.post("/holds/{uuid:pk}/claim", response=shapes.HoldOut)
def claim(request: HttpRequest, pk: UUID, body: shapes.Nothing) -> Any:
    """Take it, for ten minutes."""
    return said(request, pk, transitions.claim)


@router.post("/holds/{uuid:pk}/release", response=shapes.HoldOut)
def release(request: HttpRequest, pk: UUID, body: shapes.Nothing) -> Any:
    """Give it back to everybody."""
    return said(request, pk, transitions.release)


@router.post("/holds/{uuid:pk}/approve", response=shapes.HoldOut)
def approve(request: HttpRequest, pk: UUID, body: shapes.Approve) -> Any:
    """Say yes to what is asked."""
    return said(request, pk, transitions.approve, **body.dict())


@router.post("/holds/{uuid:pk}/edit", response=shapes.HoldOut)
def edit(request: HttpRequest, pk: UUID, body: shapes.Edit) -> Any:
    """Say yes to other arguments instead of the agent's."""
    limited(body.arguments, "arguments", ARGUMENTS_BYTES)
    return said(request, pk, transitions.edit, **body.dict())


@router.post("/holds/{uuid:pk}/reject", response=shapes.HoldOut)
def reject(request: HttpRequest, pk: UUID, body: shapes.Explain) -> Any:
    """Say no; the agent's model reads the note."""
    return said(request, pk, transitions.reject, **body.dict())


@router.post("/holds/{uuid:pk}/answer", response=shapes.HoldOut)
def answer(request: HttpRequest, pk: UUID, body: shapes.Explain) -> Any:
    """Answer in words instead of letting it happen."""
    return said(request, pk, transitions.answer, **body.dict())


@router.post("/holds/{uuid:pk}/ask", response=shapes.HoldOut)
def ask(request: HttpRequest, pk: UUID, body: shapes.Explain) -> Any:
    """Ask the agent something; it comes back with a new version of the request."""
    return said(request, pk, transitions.ask, **body.dict())


@router.post("/holds/{uuid:pk}/extend", response=shapes.HoldOut)
def extend(request: HttpRequest, pk: UUID, body: shapes.Extend) -> Any:
    """Give it more time."""
    return said(request, pk, transitions.extend, **body.dict())


@router.post("/holds/{uuid:pk}/escalate", response=shapes.HoldOut)
def escalate(request: HttpRequest, pk: UUID, body: shapes.Escalate) -> Any:
    """Hand it to those who watch another queue."""
    return said(request, pk, transitions.escalate, **body.dict())


@router.post("/holds/{uuid:pk}/resume", response=shapes.HoldOut)
def resume(request: HttpRequest, pk: UUID, body: shapes.Resume) -> Any:
    """Let what was paused run again, on probation."""
    return said(request, pk, transitions.resume, **body.dict())


@router.post("/holds/{uuid:pk}/modify", response=shapes.HoldOut)
def modify(request: HttpRequest, pk: UUID, body: shapes.Modify) -> Any:
    """Change instructions, state or limit, then resume."""
    limited(body.state, "state", STATE_BYTES)
    return said(request, pk, transitions.modify, **body.dict())


@router.post("/holds/{uuid:pk}/terminate", response=shapes.HoldOut)
def terminate(request: HttpRequest, pk: UUID, body: shapes.Terminate) -> Any:
    """End what was paused."""
    return said(request, pk, transitions.terminate, **body.dict())


@router.post("/holds/{uuid:pk}/resolve", response=shapes.HoldOut)
def resolve(request: HttpRequest, pk: UUID, body: shapes.Resolve) -> Any:
    """The person did the work; a changed payload goes back to the agent."""
    limited(body.payload, "payload", PAYLOAD_BYTES)
    return said(request, pk, transitions.resolve, **body.dict())


@router.post("/holds/{uuid:pk}/retry", response=shapes.HoldOut)
def retry(request: HttpRequest, pk: UUID, body: shapes.Say) -> Any:
    """Send the work back: the agent should try again."""
    return said(request, pk, transitions.retry, **body.dict())


@router.post("/holds/{uuid:pk}/discard", response=shapes.HoldOut)
def discard(request: HttpRequest, pk: UUID, body: shapes.Say) -> Any:
    """Nobody needs to do this work."""
    return said(request, pk, transitions.discard, **body.dict())


@router.post("/holds/{uuid:pk}/deliver", response=shapes.HoldOut)
def deliver(request: HttpRequest, pk: UUID, body: shapes.Nothing) -> Any:
    """Approved, but not executed: tell the agent again."""
    return said(request, pk, delivery.retry)


@router.post("/holds/{uuid:pk}/comment", response=shapes.HoldOut)
def comment(request: HttpRequest, pk: UUID, body: shapes.Comment) -> Any:
    """Tell the others something about it; agents never read it."""
    return said(request, pk, transitions.comment, **body.dict())
