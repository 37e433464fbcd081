"""active ⇄ disabled → deleted; and a message that says nothing but that it is one"""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.bell import ring
from audit.errors import Conflict, Invalid, NotFound
from audit.record import record
from people.models import Person, Team

from ..alerting import services
from ..models import Channel, ChannelKind, ChannelState, Notification, NotificationState
from ..models.channel import arranges
from ..models.notification import UNSENT, Why
from .route import check
from .telling import hint

MOST = 50
LONGEST_NAME = 80


@transaction.atomic
def create(team: Team | None, *, name: str, address: str, by: Person) -> Channel:
    """A place outside. Its address (an Apprise URL, or one that the service gave) is sealed at once."""
    check(team, by)
    found = services.read(address)
    channel = Channel(kind=found.kind, shown=found.shown)
    channel.keep_address(found.url)
    return _added(channel, team, name, by)


@transaction.atomic
def create_for_person(team: Team | None, person: Person, *, by: Person) -> Channel:
    """Write to a person at their own address, by the house's mail server."""
    check(team, by)
    if team is not None and not person.sees(team.pk):
        raise Invalid(f"{person} has no role in {team}: give them one first.")
    services.check_mail_of(person)
    channel = Channel(kind=ChannelKind.EMAIL, person=person, shown="mail to the person's address")
    return _added(channel, team, f"{person} by mail", by)


def _added(channel: Channel, team: Team | None, name: str, by: Person) -> Channel:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(f"A channel's name has 1 to {LONGEST_NAME} visible characters.")
    if Channel.objects.living().filter(team=team).count() >= MOST:
        raise Conflict(f"A team can have {MOST} channels. Delete one that is no longer needed.")
    channel.team, channel.name, channel.created_by = team, name, by.signature
    try:
        with transaction.atomic():
            channel.save()
    except IntegrityError as error:
        raise Conflict(f"There is a channel called {name} already.") from error
    record(
        "channel.created",
        actor=by,
        about=channel,
        summary=f"{channel}: {channel.shown}",
        data={"kind": str(channel.kind), "name": channel.name, "shown": channel.shown},
    )
    ring_channel(channel)
    return channel


@transaction.atomic
def test(pk: UUID, *, by: Person) -> Notification:
    """Send a message that says only that it is one."""
    channel = _locked(pk, by)
    if not channel.is_active:
        raise Conflict("This channel is disabled: nothing is sent to it. Enable it first.")
    sent = Notification.objects.create(
        channel=channel,
        why=Why.TEST,
        title=f"Test from Watchfloor, by {by}",
        next_at=timezone.now(),
    )
    Channel.objects.filter(pk=channel.pk).update(rests_until=None)
    data = {"name": channel.name}
    record("channel.tested", actor=by, about=channel, summary=str(channel), data=data)
    transaction.on_commit(hint, robust=True)
    return sent


@transaction.atomic
def disable(pk: UUID, *, by: Person) -> Channel:
    """Send nothing more. What was on its way is dropped."""
    channel = _locked(pk, by)
    if channel.is_active:
        _stop(channel, ChannelState.DISABLED)
        tell("disabled", channel, by=by, before=ChannelState.ACTIVE)
    return channel


@transaction.atomic
def enable(pk: UUID, *, by: Person) -> Channel:
    """Send again from now on. What happened meanwhile is not told afterwards."""
    channel = _locked(pk, by)
    if not channel.is_active:
        channel.state, channel.failures = ChannelState.ACTIVE, 0
        channel.failing_since = channel.rests_until = None
        channel.last_error = ""
        channel.save()
        tell("enabled", channel, by=by, before=ChannelState.DISABLED)
        ring_channel(channel)
    return channel


@transaction.atomic
def delete(pk: UUID, *, by: Person) -> None:
    """Gone for everybody; routes that named it tell one fewer."""
    channel = _locked(pk, by)
    in_policy = channel.routes.filter(from_policy=True).select_related("team").first()
    if in_policy is not None:
        raise Conflict(
            f"The policy document of {in_policy.team} names it in “{in_policy}”: take it out there first."
        )
    before = channel.state
    channel.target = "" if channel.person_id else "gone"
    channel.routes.clear()
    _stop(channel, ChannelState.DELETED)
    tell("deleted", channel, by=by, before=before)


def tell(what: str, channel: Channel, *, by: Person, before: str) -> None:
    record(
        f"channel.{what}",
        actor=by,
        about=channel,
        summary=str(channel),
        data={"name": channel.name},
        before={"state": before},
        after={"state": channel.state},
    )


def _stop(channel: Channel, state: ChannelState) -> None:
    channel.state = state
    channel.save()
    bury(channel)
    ring_channel(channel)


def bury(channel: Channel) -> int:
    """Messages that nobody is sending any more are dropped. Twice is harmless: the clock calls it, too."""
    now = timezone.now()
    return (
        channel.notifications.filter(state__in=UNSENT)
        .exclude(leased_until__gt=now)
        .update(
            state=NotificationState.DROPPED,
            closed_at=now,
            leased_until=None,
            last_error=f"Its channel was {ChannelState(channel.state).label.lower()} before it could be sent.",
        )
    )


def _locked(pk: UUID, by: Person) -> Channel:
    """`no key`: alerts that are written now, with messages for it, need not wait for us."""
    seen = Channel.objects.visible_to(by).living().select_for_update(of=("self",), no_key=True)
    channel = seen.select_related("team", "person").filter(pk=pk).first()
    if channel is None:
        raise NotFound("There is no such channel.")
    if not arranges(by, channel.team_id):
        raise PermissionDenied("Channels are arranged by leads, ops and admins of their team.")
    return channel


def ring_channel(channel: Channel) -> None:
    ring("channels", f"channel.{channel.pk}")
