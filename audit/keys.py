"""The log's name and the keys that sign for it. The private part is sealed, and forgotten when a key retires."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from . import sealed
from .errors import Refused
from .models import Checkpoint, Log, LogKey
from .record import Recordable, record
from .rules import notes
from .rules.notes import Note, Verifier
from .signals import HOUSE

LOCK = (0x7761_7463, 0x6C6F_6731)
"""Two numbers of PostgreSQL's advisory locks: whoever holds it may change the log."""
USE = "log key"


class Key(NamedTuple):
    """A key as outsiders need it."""

    vkey: str
    from_size: int
    """It signs checkpoints beyond this size."""
    rotation: str
    """The signed note in which the key before it vouches for it; empty for the first."""
    is_retired: bool


def wished_origin() -> str:
    """What a log that begins now is called."""
    origin = settings.WATCHFLOOR_LOG_ORIGIN or f"{urlsplit(settings.WATCHFLOOR_URL).netloc}/record"
    if not notes.is_name(origin) or len(origin) > 200:
        raise Refused("WATCHFLOOR_LOG_ORIGIN may not contain spaces or plus signs.")
    return origin


@transaction.atomic
def opened() -> Log:
    """The log's row; with the first call the log begins: it is named, and gets its first key."""
    found = Log.objects.first()
    if found is None:
        lock()
        found = Log.objects.first() or _begun()
    return found


def _begun() -> Log:
    log = Log.objects.create(origin=wished_origin())
    _add(log.origin, Ed25519PrivateKey.generate(), size=0, rotation="")
    return log


def lock() -> None:
    """Wait until nobody else changes the log; until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", LOCK)


def try_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s, %s)", LOCK)
        return bool(cursor.fetchone()[0])


def keys() -> list[Key]:
    """Every key that ever signed, oldest first."""
    opened()
    return [
        Key(
            str(verifier_of(row)),
            row.from_size,
            row.rotation,
            is_retired=row.retired_at is not None,
        )
        for row in LogKey.objects.order_by("id")
    ]


def verifier_of(row: LogKey) -> Verifier:
    return Verifier(row.name, bytes(row.public))


def newest() -> LogKey:
    opened()
    return LogKey.objects.filter(retired_at=None).latest("id")


def sign(text: str, *, by: LogKey | None = None) -> Note:
    """Sign with the newest key. Raises `CannotUnseal` when SECRET_KEY is another."""
    row = by or newest()
    return Note(text, (notes.sign(text, row.name, _private(row)),))


def sign_checkpoint(text: str) -> Note:
    """Sign with every key that has not retired: after a rotation, once, with both. The older ones then retire."""
    rows = list(LogKey.objects.filter(retired_at=None).order_by("-id"))
    signatures = tuple(notes.sign(text, row.name, _private(row)) for row in rows)
    if len(rows) > 1:
        older = [row.pk for row in rows[1:]]
        LogKey.objects.filter(pk__in=older).update(retired_at=timezone.now(), sealed="")
    return Note(text, signatures)


@transaction.atomic
def rotate(*, by: Recordable | str) -> Key:
    """A new key signs from now on; the old one vouches for it, signs the next checkpoint too, and retires."""
    log = opened()
    lock()
    if LogKey.objects.filter(retired_at=None).count() > 1:
        raise Refused("The last rotation is not over: the next checkpoint must be signed first.")
    before = newest()
    private = Ed25519PrivateKey.generate()
    text = notes.rotation(log.origin, notes.verifier_of(log.origin, private))
    size = Checkpoint.objects.values_list("size", flat=True).first() or 0
    row = _add(log.origin, private, size=size, rotation=str(sign(text, by=before)))
    old, new = str(verifier_of(before)), str(verifier_of(row))
    record(
        "log.key_rotated",
        actor=by,
        about=HOUSE,
        summary="The log has a new key.",
        before={"vkey": old},
        after={"vkey": new},
    )
    return Key(new, size, row.rotation, is_retired=False)


def _add(name: str, private: Ed25519PrivateKey, *, size: int, rotation: str) -> LogKey:
    verifier = notes.verifier_of(name, private)
    secret = b64encode(private.private_bytes_raw()).decode()
    return LogKey.objects.create(
        name=name,
        key_hash=verifier.key_hash,
        public=verifier.public,
        sealed=sealed.seal(secret, use=USE),
        from_size=size,
        rotation=rotation,
    )


def _private(row: LogKey) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(b64decode(sealed.unseal(row.sealed, use=USE)))


def renew_seals() -> None:
    """Seal anew what was sealed under a former SECRET_KEY."""
    for row in LogKey.objects.exclude(sealed=""):
        again = sealed.resealed(row.sealed, use=USE)
        if again is not None:
            LogKey.objects.filter(pk=row.pk, sealed=row.sealed).update(sealed=again)
