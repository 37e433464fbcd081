"""A circle whose subject says which try it is stays a circle; one that works through items stays none."""

from __future__ import annotations

import pytest

from agents.rules.breakers.loops import fingerprint


def of(subject: str) -> bytes:
    return fingerprint(tool="classify", subject=subject, arguments={"text": "x"}, result="spam")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mail:8841 attempt 1", "mail:8841 attempt 2"),
        ("mail:8841 (retry #3)", "mail:8841 (retry #4)"),
        ("mail:8841 at 2026-11-21T10:00:00Z", "mail:8841 at 2026-11-21T10:00:07Z"),
    ],
)
def test_which_try_it_is_tells_no_items_apart(one: str, other: str) -> None:
    assert of(one) == of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mail:8841", "mail:8842"),
        ("page 1", "page 2"),
        ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
        ("report 2026-11-20", "report 2026-11-21"),
    ],
)
def test_items_stay_apart(one: str, other: str) -> None:
    assert of(one) != of(other)
