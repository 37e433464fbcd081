"""Short secrets that must be read again (to sign with them), kept so that a copy of the database does not tell them.

AES-256-GCM under keys derived by HKDF-SHA256 (RFC 5869) from the settings' SECRET_KEY. After a change of
SECRET_KEY the former ones in SECRET_KEY_FALLBACKS still open what they closed; `resealed` moves it on.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_VERSION = "s1."
_NONCE = 12


class CannotUnseal(Exception):
    """It was sealed under a key we do not have, for another use, or changed since."""


def seal(secret: str, *, use: str = "") -> str:
    """Close a secret. What is sealed for one `use` (`endpoint`) cannot be opened for another."""
    nonce = os.urandom(_NONCE)
    closed = _box(settings.SECRET_KEY).encrypt(nonce, secret.encode(), use.encode())
    return _VERSION + urlsafe_b64encode(nonce + closed).decode()


def unseal(sealed: str, *, use: str = "") -> str:
    """Open what `seal` closed. Raises `CannotUnseal`."""
    return _open(sealed, use)[0]


def resealed(sealed: str, *, use: str = "") -> str | None:
    """The same secret under the present key; None when it is already. Raises `CannotUnseal`."""
    secret, is_present = _open(sealed, use)
    return None if is_present else seal(secret, use=use)


def _open(sealed: str, use: str) -> tuple[str, bool]:
    try:
        closed = urlsafe_b64decode(sealed.removeprefix(_VERSION))
    except ValueError:
        closed = b""
    if sealed.startswith(_VERSION) and len(closed) > _NONCE:
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            try:
                opened = _box(key).decrypt(closed[:_NONCE], closed[_NONCE:], use.encode())
            except InvalidTag:
                continue
            return opened.decode(), key == settings.SECRET_KEY
    raise CannotUnseal(
        "This secret cannot be read: it was sealed under another WATCHFLOOR_SECRET_KEY. "
        "Put the former key into WATCHFLOOR_SECRET_KEY_FALLBACKS, or give it a new secret."
    )


@lru_cache(8)
def _box(key: str | bytes) -> AESGCM:
    material = key.encode() if isinstance(key, str) else key
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"watchfloor sealed 1").derive(material))
