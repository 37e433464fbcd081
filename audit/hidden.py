"""Characters one does not see, and that may change what one reads."""

from __future__ import annotations

import unicodedata

HARMLESS = {"\n", "\t", " ", "\u00a0"}
HIDING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
LETTERLESS = {"\u115f", "\u1160", "\u3164", "\uffa0", "\u2800", "\u034f"}
"""Unicode calls these letters or marks, yet nothing is drawn for them."""


def hides(character: str) -> bool:
    """One would not see it, and it may change what one reads."""
    if character in HARMLESS:
        return False
    if unicodedata.category(character) in HIDING or character in LETTERLESS:
        return True
    point = ord(character)
    return 0xFE00 <= point <= 0xFE0E or 0xE0100 <= point <= 0xE01EF  # invisible variants carry data


def spelt_out(text: str) -> str:
    """Plain text in which what would hide is written `⟦U+202E⟧`."""
    return "".join(f"⟦U+{ord(c):04X}⟧" if hides(c) else c for c in text)
