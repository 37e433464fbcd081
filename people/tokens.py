"""Who calls with a personal token."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from .models import PersonalToken


def bearer(secret: str, now: datetime) -> PersonalToken | None:
    """The working token with this secret, its person with their roles; None for anything else."""
    token = (
        PersonalToken.objects.working(now)
        .select_related("person")
        .prefetch_related("person__memberships")
        .filter(hash=sha256(secret.encode()).digest(), person__is_active=True)
        .first()
    )
    if token is not None and token.is_use_worth_noting(now):
        # Coarse, so that a script that asks every second does not write every second.
        PersonalToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token
