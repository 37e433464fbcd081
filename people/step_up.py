"""Step-up: what matters most is decided only by who has just shown who they are."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from .models import Person

SENTENCE = "This needs a fresh sign-in. Sign in again, then decide."
CODE = "step_up"


def is_fresh(person: Person) -> bool:
    """Whether they signed in (again) a short while ago, in this very session. Never by a token."""
    signed_in_at = person.signed_in_at
    return signed_in_at is not None and timezone.now() - signed_in_at <= settings.WATCHFLOOR_STEP_UP
