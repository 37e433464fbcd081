"""Personal tokens: issued, and revoked"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from audit.errors import Conflict, Invalid, NotFound
from audit.record import record

from ..models import Person, PersonalToken, Scope
from .allowed import Doer, is_own_or_administered, worded

LONGEST_DAYS = 365
MOST_WORKING = 50


@transaction.atomic
def issue(
    person: Person,
    *,
    label: str,
    scopes: Collection[str],
    by: Doer,
    days: int = 90,
) -> tuple[PersonalToken, str]:
    """A new token and its secret (43 random characters after `wfp_`); only the hash is kept."""
    if not isinstance(by, str) and by.pk != person.pk:
        raise PermissionDenied("Everybody makes their own tokens.")
    if not person.is_active:
        raise Invalid(f"{person} is switched off.")
    if not scopes or not set(scopes) <= set(Scope.values):
        raise Invalid(f"A token may do one or more of: {', '.join(Scope.values)}.")
    if not 1 <= days <= LONGEST_DAYS:
        raise Invalid(f"A token lasts 1 to {LONGEST_DAYS} days.")
    now = timezone.now()
    Person.objects.select_for_update().get(pk=person.pk)  # so that two forms cannot pass the limit
    if PersonalToken.objects.filter(person=person).working(now).count() >= MOST_WORKING:
        raise Conflict(f"{person} has {MOST_WORKING} working tokens: revoke one first.")
    secret = f"wfp_{secrets.token_urlsafe(32)}"
    token = PersonalToken.objects.create(
        person=person,
        prefix=secret[:10],
        hash=sha256(secret.encode()).digest(),
        label=worded(label, "A label", 80),
        scopes=sorted(scopes),
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    data = {
        "label": token.label,
        "person": person.name,
        "scopes": token.scopes,
        "expires_at": token.expires_at,
    }
    record("token.issued", actor=by, about=token, summary=f"{token} for {person}", data=data)
    return token, secret


@transaction.atomic
def revoke(token: PersonalToken, *, by: Doer) -> PersonalToken:
    """Whoever calls with it is a stranger from now on."""
    found = (
        PersonalToken.objects.select_for_update(of=("self",))
        .select_related("person")
        .filter(pk=token.pk)
        .first()
    )
    if found is None or not is_own_or_administered(found.person, by):
        raise NotFound("There is no such token.")
    if found.revoked_at is not None:
        return found
    found.revoked_at = timezone.now()
    found.save(update_fields=["revoked_at"])
    data = {"label": found.label, "person": found.person.name}
    record("token.revoked", actor=by, about=found, summary=f"{found} of {found.person}", data=data)
    return found
