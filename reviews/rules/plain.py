"""An agent's words on their way out of the house: one line, nothing hidden, nothing that a chat makes a link of."""

from __future__ import annotations

import re

from audit.hidden import spelt_out

LINKS = re.compile(r"://")
MENTIONS = re.compile(r"@(?=(?:everyone|here|channel|all|room|team)\b)", re.IGNORECASE)
DRAWN = str.maketrans({"<": "‹", ">": "›", "[": "⁅", "]": "⁆", "`": "ʼ"})
"""With these, chats begin links, mentions and code."""


def line(text: str, most: int = 200) -> str:
    """`text` as others may read it anywhere: no line end, no address that can be clicked, nobody called."""
    flat = " ".join(text[: most * 4].split())
    shown = LINKS.sub("[:]//", MENTIONS.sub("@ ", spelt_out(flat).translate(DRAWN)))
    return shown if len(shown) <= most else shown[: most - 1] + "…"
