"""Messages to the receivers of instances: first whether they agree to get any, later that a request is decided."""

from __future__ import annotations

import hmac
import json
from datetime import timedelta
from uuid import UUID, uuid4

from django.utils import timezone

from audit import messages, outbound, outbox
from audit.models import Endpoint, EndpointKind

from ..models import Agent
from ..models.aap import AAPRequest, Instance
from .errors import Problem
from .shapes import Delivery
from .wire import stamp

VERIFIED_WITHIN = timedelta(seconds=10)


def tell(request: AAPRequest) -> None:
    """Put a notice into the outbox, in the transaction that decided. It says only that one should look."""
    instance = (
        Instance.objects.select_related("endpoint")
        .filter(agent=request.agent_id, endpoint__isnull=False)
        .first()
    )
    if instance is None or instance.endpoint is None or request.decided_at is None:
        return
    outbox.enqueue(
        instance.endpoint,
        "request.resolved",
        {
            "instance_id": str(instance.pk),
            "request_id": str(request.pk),
            "created_at": stamp(request.decided_at),
        },
    )


def check(delivery: Delivery) -> None:
    """What can be said without going there. Raises Problem."""
    if delivery.type != "webhook":
        raise Problem("unsupported_delivery_type", "Only webhooks are sent.", param="delivery.type")
    if "#" in delivery.url:
        raise Problem("invalid_webhook_url", "The URL must have no fragment.", param="delivery.url")


def verify(delivery: Delivery, instance_id: UUID) -> None:
    """Ask the receiver whether it expects this registration. No transaction may be open. Raises Problem."""
    now = timezone.now()
    challenge = str(uuid4())
    message_id = str(uuid4())
    body = messages.aap_body(
        message_id,
        "webhook.verification",
        {
            "registration_id": delivery.registration_id,
            "instance_id": str(instance_id),
            "challenge": challenge,
        },
        at=now,
    )
    headers = messages.headers(delivery.signing_secret, message_id, body, at=now)
    try:
        answer = outbound.post(delivery.url, body, headers, timeout=VERIFIED_WITHIN.total_seconds())
    except outbound.TargetRefused as refusal:
        raise Problem("invalid_webhook_url", refusal.detail, param="delivery.url") from refusal
    except outbound.NoAnswer as silence:
        raise unverified(str(silence)) from silence
    if answer.status != 200:
        raise unverified(f"It answered {answer.status}.")
    if not echoes(answer.excerpt, challenge):
        raise unverified("It did not answer with the challenge.")


def echoes(text: str, challenge: str) -> bool:
    try:
        told = json.loads(text)
    except ValueError:
        return False
    given = told.get("challenge") if isinstance(told, dict) else None
    return isinstance(given, str) and hmac.compare_digest(given.encode(), challenge.encode())


def unverified(why: str) -> Problem:
    return Problem(
        "webhook_verification_failed",
        f"The webhook receiver could not be verified. {why}",
        param="delivery",
    )


def connected(agent: Agent, delivery: Delivery, endpoint: Endpoint | None = None) -> Endpoint:
    """The agent's verified receiver; what waits for the former one goes to this one."""
    endpoint = endpoint or Endpoint(
        kind=EndpointKind.AAP, team=str(agent.team_id), owner=agent.record_name
    )
    endpoint.label, endpoint.url = agent.name, delivery.url
    endpoint.failures, endpoint.rests_until = 0, None
    endpoint.keep_secret(delivery.signing_secret)
    endpoint.save()
    return endpoint
