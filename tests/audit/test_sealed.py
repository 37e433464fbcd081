"""Secrets in the database are worth nothing without the key in the settings."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from audit import sealed


def test_what_is_sealed_is_opened_again() -> None:
    closed = sealed.seal("whsec_abc", use="endpoint")

    assert "whsec_abc" not in closed
    assert sealed.unseal(closed, use="endpoint") == "whsec_abc"
    assert sealed.seal("whsec_abc", use="endpoint") != closed


def test_a_former_key_still_opens_what_it_closed(settings: Settings) -> None:
    closed = sealed.seal("whsec_abc")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", [settings.SECRET_KEY]

    assert sealed.unseal(closed) == "whsec_abc"
    renewed = sealed.resealed(closed)

    settings.SECRET_KEY_FALLBACKS = []
    assert renewed is not None
    assert sealed.unseal(renewed) == "whsec_abc"
    assert sealed.resealed(renewed) is None
    with pytest.raises(sealed.CannotUnseal, match="WATCHFLOOR_SECRET_KEY_FALLBACKS"):
        sealed.unseal(closed)


@pytest.mark.parametrize("broken", ["", "s1.", "s1.????", "s1.AAAA", "s2.AAAAAAAAAAAAAAAAAAAAAAAA"])
def test_what_was_never_sealed_is_not_opened(broken: str) -> None:
    with pytest.raises(sealed.CannotUnseal):
        sealed.unseal(broken)


def test_what_was_changed_or_meant_for_another_use_is_not_opened() -> None:
    closed = sealed.seal("whsec_abc", use="endpoint")
    changed = closed[:-6] + ("AAAA" if closed[-6:-2] != "AAAA" else "BBBB") + closed[-2:]

    for text, use in ((changed, "endpoint"), (closed, "other")):
        with pytest.raises(sealed.CannotUnseal):
            sealed.unseal(text, use=use)
