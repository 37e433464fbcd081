"""People at their desks, as a process: `python -m tests.resilience.decider [--always]`.

Requests are approved and rejected by turns, or always approved; a breaker that trips over failures gets a higher limit, a
loop an instruction, and anything else is resumed. It goes through the same verbs as the pages do.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import cycle

import django

log = logging.getLogger("decider")

HIGHER = Decimal(100_000)
"""Failures that a bulk run may have."""


def main() -> None:
    django.setup()
    from django.db import close_old_connections

    turns = cycle([True] if "--always" in sys.argv else [True, False])
    while True:
        close_old_connections()
        if not answer_all(turns):
            time.sleep(0.1)


def answer_all(turns: Iterator[bool]) -> int:
    """Answer every open approval and trip; returns how many were answered."""
    from audit.errors import Conflict
    from people.models import Person
    from reviews.models import Hold, HoldKind
    from reviews.transitions import hold as holds

    ada = Person.objects.get(name="ada")
    waiting = Hold.objects.filter(state="open", kind__in=[HoldKind.APPROVAL, HoldKind.TRIP])
    answered = 0
    for hold in waiting.select_related("trip").order_by("id")[:100]:
        try:
            if hold.kind == HoldKind.TRIP:
                answer_trip(hold, ada)
            elif next(turns):
                approve(hold, ada)
            else:
                holds.reject(hold, by=ada, note="The order was delivered on time.")
        except Conflict as conflict:  # it was cancelled or frozen meanwhile
            log.warning("%s: %s", hold, conflict)
        else:
            answered += 1
    return answered


def approve(hold: object, ada: object) -> None:
    """With as many people as it needs."""
    from people.models import Person
    from reviews.models import Hold
    from reviews.transitions import hold as holds

    assert isinstance(hold, Hold)
    assert isinstance(ada, Person)
    if not hold.votes.standing().filter(person=ada).exists():
        hold = holds.approve(hold, by=ada)
    if hold.is_open:
        holds.approve(hold, by=Person.objects.get(name="otto"))


def answer_trip(hold: object, ada: object) -> None:
    from people.models import Person
    from reviews.models import Hold
    from reviews.transitions import hold as holds

    assert isinstance(hold, Hold)
    assert isinstance(ada, Person)
    condition = hold.trip.condition if hold.trip else ""
    breaker = hold.trip.breaker if hold.trip else None
    if condition == "errors" and breaker is not None and breaker.limit < HIGHER:
        holds.modify(hold, by=ada, limit=HIGHER, note="A bulk run fails more often.")
    elif condition == "repeats":
        holds.modify(hold, by=ada, instruction="Decide with what you have; do not read again.")
    else:
        holds.resume(hold, by=ada)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
