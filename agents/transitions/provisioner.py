"""Provisioners: who may make AAP instances of a team, and how often they may try; authorized → revoked"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.errors import Conflict
from audit.record import Recordable, record
from people.models import Team

from ..aap import notices
from ..aap.errors import Problem
from ..aap.shapes import Delivery
from ..models.aap import Instance, InstanceUpdate, Provisioner

IN_FLIGHT = notices.VERIFIED_WITHIN + timedelta(seconds=10)
VERIFICATION_EVERY, VERIFICATION_BURST = timedelta(seconds=6), 10
"""GCRA: ten at once, then one in six seconds, for each provisioner."""


@transaction.atomic
def authorize(team: Team, *, by: Recordable | str, label: str = "") -> tuple[Provisioner, str]:
    """A new provisioner of a team and its token (43 random characters after `wfv_`), shown only here."""
    secret = f"wfv_{secrets.token_urlsafe(32)}"
    made = Provisioner.objects.create(
        team=team, label=label, prefix=secret[:10], hash=sha256(secret.encode()).digest()
    )
    record(
        "provisioner.created", actor=by, about=made, summary=f"{made} for {team}", data=facts(made)
    )
    return made, secret


@transaction.atomic
def revoke(provisioner: Provisioner, *, by: Recordable | str) -> Provisioner:
    """Nothing is provisioned with this token any more; the instances it made stay."""
    provisioner = Provisioner.objects.select_for_update().get(pk=provisioner.pk)
    if provisioner.revoked_at is None:
        provisioner.revoked_at = timezone.now()
        provisioner.save(update_fields=["revoked_at"])
        record(
            "provisioner.revoked",
            actor=by,
            about=provisioner,
            summary=str(provisioner),
            data=facts(provisioner),
        )
    return provisioner


def facts(provisioner: Provisioner) -> dict[str, Any]:
    return {"label": provisioner.label, "prefix": provisioner.prefix}


def locked(provisioner: Provisioner) -> Provisioner:
    """Lock the provisioner. Raises Problem when it was revoked meanwhile."""
    fresh = (
        Provisioner.objects.select_for_update(of=("self",))
        .select_related("team")
        .get(pk=provisioner.pk)
    )
    if fresh.revoked_at is not None:
        raise Problem("unauthorized", "This provisioner was revoked.")
    return fresh


def check_key(known: Any, digest: bytes) -> None:
    if bytes(known) != digest:
        raise Conflict(
            "The idempotency key was already used for different input.", code="idempotency_conflict"
        )


def begin(
    attempt: Instance | InstanceUpdate, provisioner: Provisioner, now: datetime, *, verifies: bool
) -> None:
    """Only one attempt at a time for a key, and not too many of them."""
    if attempt.verifying_since is not None and attempt.verifying_since > now - IN_FLIGHT:
        raise Conflict(
            "The same request is being worked on. Try again in a moment.",
            code="idempotency_in_progress",
        )
    attempt.verifying_since = now
    if not verifies:
        return
    until = max(provisioner.verifications_until or now, now) + VERIFICATION_EVERY
    wait = until - VERIFICATION_EVERY * VERIFICATION_BURST - now
    if wait > timedelta(0):
        seconds = int(wait.total_seconds()) + 1
        raise Problem(
            "rate_limited", "Too many receivers are being verified.", retry_after_s=seconds
        )
    provisioner.verifications_until = until
    provisioner.save(update_fields=["verifications_until"])


def verified(delivery: Delivery, instance_id: UUID, attempt: Any) -> None:
    """Ask the receiver; when it does not agree, the same request may be tried again at once."""
    try:
        notices.verify(delivery, instance_id)
    except Exception:
        attempt.update(verifying_since=None)
        raise
