"""What leaves the house, and the promise that it does: written with the change it tells of, sent afterwards.

Messages about the record write themselves: a trigger on new entries adds one delivery for each endpoint that
listens (`migrations/0002_outbox.py`), whoever wrote the entry and however. What is meant for one endpoint
(AAP) is put here by `enqueue`, in the transaction of its cause. `audit.sending` takes both out of the house.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, transaction
from django.utils import timezone

from . import kinds, messages
from .errors import Invalid
from .ids import new_id
from .models import Delivery, Endpoint, EndpointKind, EndpointState, Entry
from .names import names_of

logger = logging.getLogger(__name__)

TEST = "webhook.test"

describers: dict[str, Callable[[str], dict[str, Any]]] = {}
"""Who can tell more about a subject: by the first part of its name in the record (`reviews.hold`), given the rest.

What it returns is laid into the message's `data`. Apps above this one add theirs when they are ready.
"""


def events_for(kind: str) -> tuple[str, ...]:
    """The names by which an endpoint can ask for entries of this kind; none when they never leave the house.

    An event's name is its entry's kind: what is recorded as `hold.approved` is sent as it, where that is public.
    """
    noun, _, participle = kind.partition(".")
    return (kind, _family(kind)) if participle in kinds.public().get(noun, ()) else ()


def check_events(events: list[str]) -> list[str]:
    """The same names sorted, none twice or within another. Raises `Invalid` for what nobody will ever send."""
    public = kinds.public()
    for name in events:
        noun, _, participle = name.partition(".")
        if noun not in public or (participle != "*" and participle not in public[noun]):
            raise Invalid(f"There is no event {name[:60]}.")
    if not events:
        raise Invalid("Choose at least one event.")
    whole = {name for name in events if name.endswith(".*")}
    return sorted(whole | {name for name in events if _family(name) not in whole})


def _family(name: str) -> str:
    """`hold.*` for `hold.opened`"""
    return f"{name.partition('.')[0]}.*"


@transaction.atomic
def enqueue(to: Endpoint | str, type: str, data: dict[str, Any]) -> list[Delivery]:
    """Send a message to an endpoint, or to every endpoint of a team (its id) that listens for `type`.

    Call inside the transaction whose change it tells of: both are kept or neither. A worker is told after
    the commit, and the sweep finds what the telling missed. An AAP instance gets `{id, type, created_at, **data}`.
    """
    endpoints = [to] if isinstance(to, Endpoint) else _listening(to, type)
    now = timezone.now()
    deliveries = []
    for endpoint in endpoints:
        if endpoint.kind == EndpointKind.AAP:
            message_id = str(new_id())
            body = messages.aap_body(message_id, type, data, at=now)
        else:
            message_id = messages.new_message_id()
            body = messages.body(type, data, at=now)
        deliveries.append(
            Delivery(endpoint=endpoint, message_id=message_id, type=type, body=body, next_at=now)
        )
    written = Delivery.objects.bulk_create(deliveries)
    if written:
        transaction.on_commit(hint, robust=True)
    return written


def _listening(team: str, type: str) -> list[Endpoint]:
    return list(
        Endpoint.objects.filter(
            kind=EndpointKind.WEBHOOK,
            state=EndpointState.ACTIVE,
            team__in={team, ""},
            events__overlap=[type, _family(type)],
        )
    )


def hint() -> None:
    """Tell a worker that something waits. It may be lost: the sweep looks every second."""
    from .tasks import send

    try:
        send.apply_async(expires=10, ignore_result=True, retry=False)
    except Exception as problem:  # each broker has errors of its own, and none of them matters here
        logger.warning("A worker could not be told of a delivery: %s", problem)


def body_of(delivery: Delivery) -> str:
    """What an entry's message says. Called once, before its first try; afterwards the body is kept."""
    entry = delivery.entry
    assert entry is not None
    return messages.body(entry.kind, _facts(entry), at=entry.at)


def _facts(entry: Entry) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "entry": entry.id,
        "at": messages.moment(entry.at),
        "kind": entry.kind,
        "actor": entry.actor,
        "actor_name": names_of([entry.actor]).get(entry.actor, ""),
        "about": entry.about,
        "team": entry.team,
        "agent": entry.agent,
        "run": entry.run,
        "summary": entry.summary,
        "links": {"record": f"{settings.WATCHFLOOR_URL}/record/{entry.id}/"},
    }
    subject, _, name = entry.about.partition(":")
    if describe := describers.get(subject):
        try:
            with transaction.atomic():
                more = describe(name)
        except (
            DatabaseError,
            ObjectDoesNotExist,
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
        ):
            logger.exception("%s could not be described: sent without", entry.about)
        else:
            facts["links"] |= more.pop("links", {})
            facts |= more
    return facts
