"""What a person reads when a verb refuses: one sentence, with the status that says whose turn it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied

from audit.errors import Conflict, Invalid, NotFound, Refused

NOT_YOURS = "You may look at this, but not decide it: that takes a lead, ops or admin of its team."
STATUSES: dict[type[Refused], int] = {Conflict: 409, Invalid: 422, NotFound: 404}


@dataclass
class Attempt:
    """How a verb ended: `problem` is empty when it did what was asked."""

    problem: str = ""
    status: int = 200

    @property
    def succeeded(self) -> bool:
        return not self.problem


@contextmanager
def attempt() -> Iterator[Attempt]:
    """Run a verb inside; a refusal becomes a sentence instead of an exception."""
    outcome = Attempt()
    try:
        yield outcome
    except PermissionDenied as refusal:
        outcome.problem, outcome.status = str(refusal) or NOT_YOURS, 403
    except Refused as refusal:
        outcome.problem = refusal.detail
        outcome.status = next((s for kind, s in STATUSES.items() if isinstance(refusal, kind)), 400)
