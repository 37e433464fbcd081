"""active ⇄ disabled → deleted; and what a person does about its deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import messages, outbox, targets
from audit.bell import ring
from audit.errors import Conflict, Invalid, NotFound
from audit.models import Delivery, DeliveryState, Endpoint, EndpointKind, EndpointState
from audit.models.outbox import teams_kept_by
from audit.record import Recordable, record, signature_of

if TYPE_CHECKING:
    from people.models import Person

MOST = 20
"""Webhooks a team can have: each one costs a row for every event."""

NOT_YOURS = "Webhooks are kept by ops and admins of their team."


def create(
    *, url: str, team: str, events: list[str], label: str = "", by: Person
) -> tuple[Endpoint, str]:
    """A webhook for a team's events (`""`: every team's), and its secret, which is shown this once."""
    teams = teams_kept_by(by)
    if "" not in teams and team not in teams:
        raise PermissionDenied(NOT_YOURS)
    url, label = url.strip(), label.strip()
    if len(label) > 80:
        raise Invalid("A name can be 80 characters long.")
    events = outbox.check_events(events)
    check_target(url)
    secret = messages.new_secret()
    endpoint = Endpoint(team=team, owner=signature_of(by), label=label, url=url, events=events)
    endpoint.keep_secret(secret)
    with transaction.atomic():
        alike = Endpoint.objects.filter(kind=EndpointKind.WEBHOOK, team=team)
        if alike.exclude(state=EndpointState.DELETED).count() >= MOST:
            raise Conflict(f"A team can have {MOST} webhooks. Delete one that is no longer needed.")
        endpoint.save()
        record(
            "endpoint.created",
            actor=by,
            about=endpoint,
            summary=url,
            data={"events": events, "label": label, "url": url},
        )
    return endpoint, secret


def check_target(url: str) -> None:
    """Refuse at once what could never be sent to. A name without an address is a typing error."""
    try:
        targets.find(url, timeout=5)
    except targets.NoAnswer as problem:
        raise Invalid(str(problem)) from problem


@transaction.atomic
def disable(pk: UUID, *, by: Person) -> Endpoint:
    """Send nothing more. What was on its way becomes dead, and can be sent again later."""
    endpoint = _locked(pk, by)
    if endpoint.is_active:
        _stop(endpoint, EndpointState.DISABLED, reason="")
        tell("disabled", endpoint, by=by, before=EndpointState.ACTIVE)
    return endpoint


@transaction.atomic
def enable(pk: UUID, *, by: Person) -> Endpoint:
    """Send again from now on. What happened meanwhile is not sent."""
    endpoint = _locked(pk, by)
    if not endpoint.is_active:
        endpoint.state, endpoint.state_reason = EndpointState.ACTIVE, ""
        endpoint.failures, endpoint.rests_until = 0, None
        endpoint.save()
        tell("enabled", endpoint, by=by, before=EndpointState.DISABLED)
    return endpoint


@transaction.atomic
def delete(pk: UUID, *, by: Person) -> None:
    """Gone for everybody at once; the clock clears its deliveries away.

    Deleting the row itself here would make every transaction wait that has something to tell it.
    """
    endpoint = _locked(pk, by)
    before = endpoint.state
    _stop(endpoint, EndpointState.DELETED, reason="")
    tell("deleted", endpoint, by=by, before=before)


@transaction.atomic
def renew_secret(pk: UUID, *, by: Person) -> tuple[Endpoint, str]:
    """A new secret, which is shown this once. The former one is worth nothing from now on."""
    endpoint = _locked(pk, by)
    secret = messages.new_secret()
    endpoint.keep_secret(secret)
    endpoint.save(update_fields=["secret"])
    record("endpoint.secret_renewed", actor=by, about=endpoint, summary=str(endpoint))
    return endpoint, secret


@transaction.atomic
def test(pk: UUID, *, by: Person) -> Delivery:
    """Send an event that says nothing but that it is one."""
    endpoint = _locked(pk, by)
    _check_active(endpoint)
    (delivery,) = outbox.enqueue(
        endpoint, outbox.TEST, {"endpoint": str(endpoint.pk), "sent_by": signature_of(by)}
    )
    return delivery


@transaction.atomic
def resend(pk: int, *, by: Person) -> Delivery:
    """Send a message again, whatever became of it: the same id and the same bytes, from the first try on."""
    found = Delivery.objects.filter(pk=pk).values_list("endpoint_id", flat=True).first()
    if found is None:
        raise NotFound("There is no such delivery.")
    endpoint = _locked(found, by)
    _check_active(endpoint)
    delivery = Delivery.objects.select_for_update().get(pk=pk)
    if delivery.is_in_flight:
        raise Conflict("It is being sent at this very moment.")
    again(delivery)
    record(
        "endpoint.resent", actor=by, about=endpoint, summary=f"{delivery.type} to {endpoint}"[:300]
    )
    return delivery


def again(delivery: Delivery) -> None:
    """Due now, as if never tried. For callers that have locked it."""
    delivery.state, delivery.closed_at = DeliveryState.PENDING, None
    delivery.attempts, delivery.next_at, delivery.leased_until = 0, timezone.now(), None
    delivery.save(update_fields=["state", "closed_at", "attempts", "next_at", "leased_until"])
    Endpoint.objects.filter(pk=delivery.endpoint_id).update(rests_until=None)
    ring(f"endpoint.{delivery.endpoint_id}")
    transaction.on_commit(outbox.hint, robust=True)


def give_up(endpoint: Endpoint, *, reason: str) -> None:
    """It said that it is gone. The caller has locked it."""
    _stop(endpoint, EndpointState.DISABLED, reason=reason)
    tell("disabled", endpoint, by="clock", before=EndpointState.ACTIVE, summary=reason)


def drop(endpoint: Endpoint) -> None:
    """Whoever it belonged to is gone, or wants no more messages. The caller has locked it."""
    before = endpoint.state
    _stop(endpoint, EndpointState.DELETED, reason="")
    tell("dropped", endpoint, by=endpoint.owner or "clock", before=before)


def tell(
    what: str, endpoint: Endpoint, *, by: Recordable | str, before: str, summary: str = ""
) -> None:
    record(
        f"endpoint.{what}",
        actor=by,
        about=endpoint,
        summary=summary or str(endpoint),
        before={"state": before},
        after={"state": endpoint.state},
    )


def _stop(endpoint: Endpoint, state: EndpointState, *, reason: str) -> None:
    endpoint.state, endpoint.state_reason = state, reason
    endpoint.save()
    bury(endpoint)
    ring(f"endpoint.{endpoint.pk}")


def bury(endpoint: Endpoint) -> int:
    """Messages that nobody is sending any more become dead. Twice is harmless.

    The clock calls it, too: for what was in flight when its endpoint was disabled and its sender died, and for
    entries of transactions that began before and ended after.
    """
    now = timezone.now()
    nobody = Q(leased_until=None) | Q(leased_until__lte=now)
    return endpoint.deliveries.filter(nobody, state=DeliveryState.PENDING).update(
        state=DeliveryState.DEAD,
        closed_at=now,
        leased_until=None,
        last_error=f"Its endpoint was {EndpointState(endpoint.state).label.lower()} before it could be sent.",
    )


def _locked(pk: UUID, by: Person) -> Endpoint:
    """`for no key update`: the trigger on the record, which refers to endpoints, need not wait for us."""
    endpoint = Endpoint.objects.visible_to(by).select_for_update(no_key=True).filter(pk=pk).first()
    if endpoint is None:
        raise NotFound("There is no such webhook.")
    return endpoint


def _check_active(endpoint: Endpoint) -> None:
    if not endpoint.is_active:
        raise Conflict("This webhook is disabled: nothing is sent to it. Enable it first.")
