"""Ids that sort by time."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562 §5.7): unique anywhere, ordered by the millisecond it was made."""
    return uuid7()
