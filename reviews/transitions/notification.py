"""dead → pending: a message that could not be sent is sent again because a person wants it"""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.errors import Conflict, NotFound
from audit.record import record
from people.models import Person

from ..models import Channel, Notification, NotificationState
from ..models.alert import decides
from .channel import ring_channel
from .telling import hint


@transaction.atomic
def resend(pk: int, *, by: Person) -> Notification:
    """Once more, from the first try on; also when it was sent."""
    found = Notification.objects.select_related("alert", "channel").filter(pk=pk).first()
    if found is None or not _may_know(found, by):
        raise NotFound("There is no such message.")
    team = found.alert.team_id if found.alert else found.channel.team_id
    if not decides(by, team):
        raise PermissionDenied("Your role reads here; leads, ops and admins send again.")
    channel = Channel.objects.select_for_update(no_key=True).get(pk=found.channel_id)
    if not channel.is_active:
        raise Conflict("Its channel is disabled: nothing is sent to it.")
    message = Notification.objects.select_for_update(of=("self",)).get(pk=pk)
    if message.is_in_flight:
        raise Conflict("It is being sent at this very moment.")
    message.state, message.closed_at = NotificationState.PENDING, None
    message.attempts, message.next_at, message.leased_until = 0, timezone.now(), None
    try:
        with transaction.atomic():
            message.save()
    except IntegrityError as error:
        raise Conflict("Another message of this alert is on its way there already.") from error
    Channel.objects.filter(pk=channel.pk).update(rests_until=None)
    record(
        "channel.resent",
        actor=by,
        about=channel,
        summary=f"{message.title} to {channel}"[:300],
        data={"name": channel.name},
    )
    ring_channel(channel)
    transaction.on_commit(hint, robust=True)
    return message


def _may_know(message: Notification, by: Person) -> bool:
    if message.alert is not None:
        team = message.alert.team_id
        return by.watches_everything if team is None else by.sees(team)
    channel = message.channel.team_id
    return by.watches_everything if channel is None else by.sees(channel)
