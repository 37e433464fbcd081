"""The bytes that are hashed, against RFC 8785 as somebody else implements it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit.rules import lines
from audit.rules.lines import Hashed

AT = datetime(2026, 11, 21, 13, 0, 0, 123456, tzinfo=UTC)
LINE = Hashed(123, AT, "hold.approved", 1, "person:x", "reviews.hold:y", "t", "", "r")


def test_a_line_is_written_as_agreed() -> None:
    assert lines.canonical(LINE, "ab" * 32) == (
        '{"about":"reviews.hold:y","actor":"person:x","agent":"","at":"2026-11-21T13:00:00.123456Z","id":123,'
        f'"kind":"hold.approved","payload":"{"ab" * 32}","run":"r","team":"t","version":1}}'
    )


def test_moments_have_six_digits_in_utc() -> None:
    east = datetime(2026, 11, 21, 15, 0, tzinfo=timezone(timedelta(hours=2)))

    assert lines.moment(east) == "2026-11-21T13:00:00.000000Z"


def test_a_commitment_is_the_hash_of_salt_and_body() -> None:
    """Computed with `printf '…' | sha256sum`: sixteen zero bytes, then the body."""
    from hashlib import sha256

    body = '{"data": {}, "summary": "ü"}'

    assert lines.commitment(UUID(int=0), body) == sha256(bytes(16) + body.encode()).hexdigest()
    assert lines.commitment(UUID(int=1), body) != lines.commitment(UUID(int=0), body)


@given(st.text(), st.text(), st.integers(1, 2**53 - 1), st.datetimes(timezones=st.just(UTC)))
def test_it_is_canonical_json(actor: str, about: str, number: int, at: datetime) -> None:
    line = LINE._replace(id=number, actor=actor, about=about, at=at)
    told: dict[str, str | int] = {
        "about": about,
        "actor": actor,
        "agent": "",
        "at": lines.moment(at),
        "id": number,
        "kind": "hold.approved",
        "payload": "00",
        "run": "r",
        "team": "t",
        "version": 1,
    }

    assert lines.canonical(line, "00").encode() == rfc8785.dumps(told)
