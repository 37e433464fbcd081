"""The log as other programs read it (C2SP tlog-tiles): the newest checkpoint, tiles of hashes, tiles of entries.

For whoever reads the whole record, in a session or with a personal token; everybody else finds nothing. The key
and the newest checkpoint alone may be open to all.
"""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit import log
from audit.models import Leaf, Tile
from audit.rules import tiles
from people.models import READS_RECORD, Person
from people.tokens import bearer

NEVER_CHANGES = "private, max-age=31536000, immutable"


@require_safe
def checkpoint(request: HttpRequest) -> HttpResponse:
    """What was signed last."""
    _check(request)
    return _checkpoint()


@require_safe
def tile(request: HttpRequest, path: str) -> HttpResponse:
    """Up to 256 hashes, or entries."""
    _check(request)
    address = tiles.address(path)
    if address is None:
        raise Http404
    content = _entries(address) if address.level is None else _hashes(address.level, address)
    kind = "application/octet-stream"
    return HttpResponse(content, content_type=kind, headers={"Cache-Control": NEVER_CHANGES})


@require_safe
def well_known(request: HttpRequest) -> HttpResponse:
    """The log's key and its newest checkpoint, for everybody, where the house wants it."""
    if not settings.WATCHFLOOR_LOG_PUBLIC:
        raise Http404
    last, every = log.latest(), log.keys()
    return JsonResponse(
        {
            "origin": log.origin(),
            "vkey": log.vkey(),
            "keys": [key._asdict() for key in every],
            "checkpoint": last.note if last else None,
        }
    )


def _checkpoint() -> HttpResponse:
    last = log.latest()
    if last is None:
        raise Http404
    headers = {"Cache-Control": "no-cache"}
    return HttpResponse(last.note, content_type="text/plain; charset=utf-8", headers=headers)


def _hashes(level: int, address: tiles.Address) -> bytes:
    found = Tile.objects.filter(level=level, index=address.tile)
    kept = bytes(found.values_list("hashes", flat=True).first() or b"")
    wanted = address.width * tiles.HASH
    if len(kept) < wanted:
        raise Http404
    return kept[:wanted]


def _entries(address: tiles.Address) -> bytes:
    """Each leaf's bytes, with their length in two bytes before."""
    first = address.tile * tiles.WIDTH
    found = Leaf.objects.filter(index__gte=first, index__lt=first + address.width)
    leaves = [text.encode() for text in found.order_by("index").values_list("data", flat=True)]
    if len(leaves) < address.width:
        raise Http404
    return b"".join(len(leaf).to_bytes(2) + leaf for leaf in leaves)


def _check(request: HttpRequest) -> None:
    person = _person(request)
    if person is None or person.roles.get(None) not in READS_RECORD:
        raise Http404


def _person(request: HttpRequest) -> Person | None:
    """Who asks, in a session or with a token."""
    if isinstance(request.user, Person):
        return request.user
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    found = bearer(token, timezone.now()) if scheme.lower() == "bearer" else None
    return found.person if found else None
