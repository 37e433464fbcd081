"""What people's affairs ask of those above, inside their transaction."""

from __future__ import annotations

from django.dispatch import Signal

from audit.errors import Conflict

from .models import Group

group_leaving = Signal()
"""`group`: it is about to be deleted or renamed. Who still needs its name answers with a sentence that says
why not ("The policy of support names it."), else None; a sentence stops it."""


def ask_leave(group: Group) -> None:
    """Raises Conflict (`in_use`) with what was answered."""
    answers = group_leaving.send(sender=Group, group=group)
    reasons = [str(answer) for _, answer in answers if answer]
    if reasons:
        raise Conflict(" ".join(reasons), code="in_use")
