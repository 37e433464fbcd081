"""approved → consumed → succeeded | failed; and withdrawing what is not decided yet"""

from __future__ import annotations

from uuid import UUID

import msgspec
from django.db import transaction
from django.utils import timezone

from audit.errors import Conflict, NotFound
from audit.ids import new_id

from ..aap.shapes import digest_of, json_value
from ..models import Action, AgentKey
from ..models.aap import AAPRequest, AAPStatus
from ..rules import exact
from ..rules.digest import canonical
from ..shapes import Claim, Failure, Settle
from . import action as actions
from . import together
from .aap import CALL, lock, resolve

LEASE_S = 3600
"""How long a tool may take to report: the protocol has no sign of life in between."""
LONGEST_NOTE = 20_000

CODES = {"already_claimed": "already_consumed", "not_claimable": "not_approved"}
"""What the protocol calls the native refusals of a claim."""


@transaction.atomic
def consume(key: AgentKey, request_id: UUID, *, idempotency: bytes) -> AAPRequest:
    """Take the approval, once. Everything is checked again: stops, policy, validity, what was bound."""
    request = found(key, request_id)
    if request.consumed_at is not None:
        if bytes(request.consume_key or b"") == idempotency:
            return request
        raise Conflict("This approval was taken already.", code="already_consumed")
    if request.status != AAPStatus.APPROVED or request.action is None:
        raise Conflict(f"This request is {request.status}.", code="not_approved")
    now = timezone.now()
    assert request.expires_at is not None
    assert request.decided_at is not None
    if request.expires_at <= now:
        raise Conflict("The approval was not used in time.", code="approval_expired")
    check_binding(request, request.action)
    try:
        actions.claim(
            bytes(key.hash),
            request.action.pk,
            # A name of its own for each: the native door must not be able to hand it out again.
            Claim(claim_id=f"{CALL}{new_id()}", lease_s=LEASE_S),
        )
    except Conflict as refusal:
        code = CODES.get(refusal.code, refusal.code)
        raise Conflict(refusal.detail, code=code) from refusal
    request.consume_key = idempotency
    request.consumed_at = max(now, request.decided_at)
    request.save(update_fields=["consume_key", "consumed_at"])
    return request


def check_binding(request: AAPRequest, action: Action) -> None:
    """What was kept is what was sent, and the approval is for these very arguments."""
    sent = exact.plain(json_value(request.arguments))
    same = canonical(sent) == canonical(action.effective_arguments)
    kept = digest_of(request) == bytes(request.digest)
    if not same or not kept or action.tool != request.qualified_tool:
        raise Conflict("The approval does not bind these arguments.", code="not_approved")


@together.whole_team
def report(key: AgentKey, request_id: UUID, *, status: str, note: str = "") -> AAPRequest:
    """How the call ended. The same report again is harmless."""
    request = found(key, request_id)
    if request.consumed_at is None or request.action is None:
        raise Conflict("Take the approval first.", code="not_consumed")
    if request.outcome:
        if (request.outcome, request.outcome_note) == (status, note):
            return request
        raise Conflict(f"This call {request.outcome} already.", code="outcome_conflict")
    try:
        actions.settle(bytes(key.hash), request.action.pk, settlement(status, note))
    except Conflict as refusal:
        request.action.refresh_from_db(fields=["state"])
        if request.action.state != status:  # else a person found it out before
            raise Conflict(refusal.detail, code="outcome_conflict") from refusal
    request.outcome, request.outcome_note = status, note
    request.reported_at = max(timezone.now(), request.consumed_at)
    request.save(update_fields=["outcome", "outcome_note", "reported_at"])
    return request


def settlement(status: str, note: str) -> Settle:
    if status == "failed":
        return Settle(outcome="failed", error=Failure(message=note[:LONGEST_NOTE]))
    told = msgspec.json.encode({"note": note[:LONGEST_NOTE]}) if note else b"null"
    return Settle(outcome="succeeded", result=msgspec.Raw(told))


@transaction.atomic
def cancel(key: AgentKey, request_id: UUID) -> AAPRequest:
    """The agent withdraws what is not decided yet. Again is harmless."""
    request = found(key, request_id)
    if request.status == AAPStatus.CANCELLED:
        return request
    if not request.is_pending:
        raise Conflict(f"This request is {request.status} already.", code="already_terminal")
    if request.action is None:
        resolve(request, AAPStatus.CANCELLED, by=request.agent.record_name)
    else:
        actions.cancel(request.action, by=request.agent)
        request.refresh_from_db()
    return request


def found(key: AgentKey, request_id: UUID) -> AAPRequest:
    """Lock the agent and read its request afresh. Raises NotFound: also for what belongs to another."""
    agent = lock(key.agent_id)
    request = (
        AAPRequest.objects.select_related("action", "key")
        .filter(pk=request_id, agent=agent)
        .first()
    )
    if request is None:
        raise NotFound("This instance has no such request.")
    request.agent = agent
    return request
