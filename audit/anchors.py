"""Checkpoints kept outside: where they go, how fresh the last one is, and whether somebody there knows better.

A record is only as trustworthy as what somebody else has seen of it: whoever owns this machine could write another
one and sign it. So checkpoints go to a file that only grows, to webhooks that listen for them, and to witnesses
(C2SP) that cosign only what continues what they signed before. When one of them knows a tree that ours does not
continue (an older backup was restored, lines were rewritten), the log halts until an admin says openly that it goes on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from . import anchor_file, granting, log, outbox, witness
from .errors import NotFound
from .models import (
    Anchor,
    AnchorKind,
    AnchorState,
    Checkpoint,
    Endpoint,
    EndpointKind,
    EndpointState,
    Log,
)
from .rules.cosignatures import BadKey
from .targets import NoAnswer, TargetRefused
from .witness import Contradicted, Witness

logger = logging.getLogger(__name__)

WEBHOOKS = "webhooks"
PUBLISHED = "checkpoint.published"
UNHEARD = timedelta(minutes=10)
"""A witness that was not asked for so long is asked before anything is signed: the database may be an older one."""

_asked: dict[str, datetime] = {}
"""When this process asked a witness last."""


@dataclass(frozen=True)
class Place:
    kind: AnchorKind
    where: str
    witness: Witness | None = None

    @property
    def every(self) -> timedelta:
        is_told = self.kind == AnchorKind.WEBHOOK
        wanted: timedelta = (
            settings.WATCHFLOOR_ANCHOR_TOLD_EVERY if is_told else settings.WATCHFLOOR_ANCHOR_EVERY
        )
        return wanted

    @property
    def asked_at(self) -> datetime | None:
        """When this process went there last, where it noted that."""
        return _asked.get(self.where)

    def last(self, *states: AnchorState) -> Anchor | None:
        found = Anchor.objects.filter(kind=self.kind, where=self.where)
        return (found.filter(state__in=states) if states else found).first()


@dataclass(frozen=True)
class Outcome:
    """What came of one try."""

    state: AnchorState
    size: int
    root: bytes = b""
    cosignature: str = ""
    error: str = ""


@dataclass(frozen=True)
class Contradiction:
    """Somebody keeps a tree that ours does not continue."""

    place: Place
    size: int
    root: bytes
    sentence: str


def places() -> list[Place]:
    """Where checkpoints go, as the settings and the webhooks say now."""
    found = []
    if settings.WATCHFLOOR_ANCHOR_FILE:
        found.append(Place(AnchorKind.FILE, settings.WATCHFLOOR_ANCHOR_FILE[:300]))
    if _listens():
        found.append(Place(AnchorKind.WEBHOOK, WEBHOOKS))
    try:
        found += [Place(AnchorKind.WITNESS, one.name[:300], one) for one in witness.witnesses()]
    except BadKey as problem:
        logger.error("WATCHFLOOR_WITNESSES cannot be read: %s", problem)
    return found


def _listens() -> bool:
    family = f"{PUBLISHED.partition('.')[0]}.*"
    return Endpoint.objects.filter(
        kind=EndpointKind.WEBHOOK,
        state=EndpointState.ACTIVE,
        team="",
        events__overlap=[PUBLISHED, family],
    ).exists()


# -- keeping a checkpoint there ----------------------------------------------------------------------


def keep(place: Place, checkpoint: Checkpoint) -> Outcome:
    """Have one checkpoint kept in one place; what comes of it is the answer, never an exception."""
    root = bytes(checkpoint.root)
    try:
        match place.kind:
            case AnchorKind.FILE:
                if found := file_contradiction(place, checkpoint.size, root):
                    return Outcome(
                        AnchorState.INCONSISTENT, found.size, found.root, error=found.sentence
                    )
                anchor_file.append(Path(place.where), checkpoint.note)
            case AnchorKind.WEBHOOK:
                _tell(checkpoint)
            case AnchorKind.WITNESS:
                return _ask(place, checkpoint)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        return Outcome(AnchorState.FAILED, checkpoint.size, root, error=f"{reason}.")
    return Outcome(AnchorState.KEPT, checkpoint.size, root)


def _tell(checkpoint: Checkpoint) -> None:
    last = {"size": checkpoint.size, "root": bytes(checkpoint.root).hex(), "note": checkpoint.note}
    outbox.enqueue("", PUBLISHED, {"vkey": log.vkey(), **last})


def _ask(place: Place, checkpoint: Checkpoint) -> Outcome:
    assert place.witness is not None
    size, root = checkpoint.size, bytes(checkpoint.root)
    kept = place.last(AnchorState.KEPT)
    old = kept.size if kept and kept.size <= size else 0
    _asked[place.where] = timezone.now()
    try:
        signed = witness.add_checkpoint(
            place.witness, checkpoint.note, size=size, old=old, prove=log.consistency
        )
    except Contradicted as problem:
        return Outcome(AnchorState.INCONSISTENT, problem.size, error=str(problem))
    except (witness.Refused, NoAnswer, TargetRefused) as problem:
        return Outcome(AnchorState.FAILED, size, root, error=str(problem))
    return Outcome(AnchorState.KEPT, size, root, cosignature=signed.line)


# -- does our tree continue what they keep? ----------------------------------------------------------


def refusal(size: int, root: bytes) -> str:
    """Why a tree of `size` must not grow; empty when nobody knows better. Asked before anything is signed."""
    for place in places():
        found = None
        if place.kind == AnchorKind.FILE:
            found = file_contradiction(place, size, root)
        elif place.kind == AnchorKind.WITNESS:
            found = _witness_contradiction(place)
        if found:
            return found.sentence
    return ""


def contradictions(size: int, root: bytes) -> list[Contradiction]:
    """All that know better, the witnesses asked anew."""
    found = []
    for place in places():
        if place.kind == AnchorKind.FILE:
            found.append(file_contradiction(place, size, root))
        elif place.kind == AnchorKind.WITNESS:
            found.append(_witness_contradiction(place, anew=True))
    return [one for one in found if one]


def file_contradiction(place: Place, size: int, root: bytes) -> Contradiction | None:
    """Whether the newest note of the file is of a tree that ours does not continue. A file that is gone says nothing."""
    try:
        kept = anchor_file.last(Path(place.where))
    except OSError as problem:
        logger.error("The anchor file cannot be read: %s", problem)
        return None
    if kept is None:
        return None
    is_ours = kept.origin == log.origin()
    if is_ours and _continues(kept.size, kept.root, size, root):
        return None
    accepted = place.last(AnchorState.ACCEPTED)
    if accepted and (accepted.size, bytes(accepted.root)) == (kept.size, kept.root):
        return None
    if not is_ours:
        sentence = f"{place.where} keeps another record, {kept.origin}."
    elif kept.size > size:
        sentence = (
            f"{place.where} keeps a checkpoint of {kept.size:,} entries; here are only {size:,}."
        )
    else:
        sentence = f"{place.where} keeps {kept.size:,} entries of a record that this one does not continue."
    return Contradiction(place, kept.size, kept.root, sentence)


def _continues(old: int, old_root: bytes, size: int, root: bytes) -> bool:
    if old > size:
        return False
    if old == size:
        return old_root == root
    try:
        return log.root(old) == old_root
    except (NotFound, LookupError):  # with tiles that are gone it cannot be shown
        return False


def _witness_contradiction(place: Place, *, anew: bool = False) -> Contradiction | None:
    """What the witness said last; asked again when that was long ago, or before this process began."""
    last = place.last()
    is_old = last is None or timezone.now() - last.at > max(UNHEARD, 3 * place.every)
    if anew or (place.where not in _asked and last is not None) or (last and is_old):
        checkpoint = log.latest()
        if checkpoint is not None:
            outcome = _ask(place, checkpoint)
            if outcome.state == AnchorState.INCONSISTENT:
                accepted = place.last(AnchorState.ACCEPTED)
                if not anew and accepted and accepted.size == outcome.size:
                    return None
                return Contradiction(place, outcome.size, outcome.root, outcome.error)
            return None
    if last and last.state == AnchorState.INCONSISTENT:
        return Contradiction(place, last.size, bytes(last.root), last.error)
    return None


# -- how it stands -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlaceStanding:
    """One place, as the page shows it. `state`: fresh, old, failing, inconsistent, accepted or never."""

    place: Place
    state: str
    size: int
    at: datetime | None
    error: str
    behind: int
    """Entries that are signed and that this place has not kept."""

    @property
    def is_well(self) -> bool:
        return self.state in {"fresh", "accepted"}

    @property
    def kind(self) -> str:
        return str(self.place.kind.label)

    @property
    def where(self) -> str:
        return self.place.where


@dataclass(frozen=True)
class Standing:
    places: list[PlaceStanding]
    halted_at: datetime | None
    halted_reason: str
    database: granting.Standing

    @property
    def is_anchored(self) -> bool:
        return bool(self.places)

    @property
    def is_well(self) -> bool:
        return self.halted_at is None and all(one.is_well for one in self.places)

    @property
    def newest(self) -> PlaceStanding | None:
        """The place that kept a checkpoint last."""
        kept = [one for one in self.places if one.at]
        return max(kept, key=lambda one: (one.size, one.at)) if kept else None


def standing(now: datetime | None = None) -> Standing:
    """Every place, whether the log stands still, and whether the application could rewrite it."""
    now = now or timezone.now()
    latest = log.latest()
    opened = Log.objects.first()
    return Standing(
        [_standing(place, latest, now) for place in places()],
        opened.halted_at if opened else None,
        opened.halted_reason if opened else "",
        granting.standing(),
    )


def _standing(place: Place, latest: Checkpoint | None, now: datetime) -> PlaceStanding:
    last, kept = place.last(), place.last(AnchorState.KEPT)
    size = kept.size if kept else 0
    behind = max(0, latest.size - size) if latest else 0
    error = last.error if last and last.state != AnchorState.KEPT else ""
    if last and last.state == AnchorState.INCONSISTENT:
        state = "inconsistent"
    elif last and last.state == AnchorState.ACCEPTED:
        state = "accepted"
    elif behind and _unkept_since(size, now) > settings.WATCHFLOOR_ANCHOR_OLD:
        state = "failing" if last and last.state == AnchorState.FAILED else "old"
    elif last and last.state == AnchorState.FAILED and failures(place) >= FAILING:
        state = "failing"
    else:
        state = "fresh" if kept or not behind else "never"
    return PlaceStanding(place, state, size, kept.at if kept else None, error, behind)


FAILING = 3
"""Tries in a row that failed before somebody is called: one may be a passing fault."""


def failures(place: Place) -> int:
    """Tries in a row that failed, counted up to one more than what is failing."""
    found = Anchor.objects.filter(kind=place.kind, where=place.where)
    states = list(found.values_list("state", flat=True)[: FAILING + 1])
    count = 0
    for state in states:
        if state != AnchorState.FAILED:
            break
        count += 1
    return count


def _unkept_since(size: int, now: datetime) -> timedelta:
    """How long the oldest checkpoint beyond `size` has waited."""
    first = Checkpoint.objects.filter(size__gt=size).order_by("size").first()
    return now - first.at if first else timedelta(0)


def forget_what_was_asked() -> None:
    """As if this process had just begun."""
    _asked.clear()
