"""Ids that sort by time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562 §5.7): unique anywhere, ordered by the millisecond it was made."""
    return uuid7()


def first_id(at: datetime) -> UUID:
    """The smallest id that can have been made at this moment or later."""
    return UUID(int=max(0, (at - _EPOCH) // timedelta(milliseconds=1)) << 80)
