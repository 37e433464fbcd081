"""A page made from the entries themselves, so that nobody has to believe the page that came with them."""

from __future__ import annotations

import json
import unicodedata
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from .manifest import parse_manifest
from .problems import Unusable
from .store import open_bundle, read
from .strict import loads_bytes, loads_line

MOST_MANIFEST, MOST_PEOPLE = 8 << 20, 64 << 20
HIDING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
LETTERLESS = {"\u115f", "\u1160", "\u3164", "\uffa0", "\u2800", "\u034f"}
"""Letters and marks for which nothing is drawn."""
HEAD = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Entries that were proved</title><style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;
padding:0 1rem;color-scheme:light dark}pre{white-space:pre-wrap;overflow-wrap:anywhere}hr{border:0;border-top:1px solid #8886}
</style><h1>Entries that were proved</h1><p>Made from entries.jsonl by <code>watchfloor verify --read</code>. Who has which
id is what the log says, and signed by it; everything else is proved.</p>
"""


def write_page(bundle: Path | str, target: Path) -> int:
    """Write the entries of a bundle that was verified. Returns how many; raises `Unusable` when it changed meanwhile."""
    store = open_bundle(Path(bundle))
    manifest = parse_manifest(read(store, "manifest.json", MOST_MANIFEST))
    people = loads_bytes(read(store, "people.json", MOST_PEOPLE))
    digest, count = sha256(), 0
    with store.open("entries.jsonl") as lines, target.open("w", encoding="utf-8") as page:
        page.write(HEAD)
        for raw in lines:
            digest.update(raw)
            page.write(_told(loads_line(raw.decode().rstrip("\n")), people))
            count += 1
    if digest.hexdigest() != manifest.files.get("entries.jsonl"):
        target.unlink()
        raise Unusable("the entries changed while they were read")
    return count


def _told(entry: dict[str, Any], people: dict[str, str]) -> str:
    line = loads_line(entry["leaf"])
    content = {} if "erased" in entry else loads_line(entry["body"], long_numbers=True)
    actor = line["actor"]
    name = people.get(actor.removeprefix("person:"), "") if actor.startswith("person:") else ""
    summary = content.get("summary", "") if content else "(what it told was erased)"
    rest = {key: value for key, value in content.items() if key != "summary" and value}
    rest |= {key: line[key] for key in ("team", "agent", "run") if line[key]}
    details = json.dumps(rest, ensure_ascii=False, indent=1, sort_keys=True)
    return (
        f"<hr><p>{entry['index']} · {shown(line['at'])} · <b>{shown(line['kind'])}</b> · "
        f"{shown(name)} <code>{shown(actor)}</code> · <code>{shown(line['about'])}</code></p>"
        f"<p>{shown(str(summary))}</p><pre>{shown(details)}</pre>\n"
    )


def shown(text: str) -> str:
    """Escaped, and what one would not see spelt out."""
    return escape("".join(f"⟦U+{ord(c):04X}⟧" if _hides(c) else c for c in text))


def _hides(character: str) -> bool:
    if character in "\n\t":
        return False
    point = ord(character)
    return (
        unicodedata.category(character) in HIDING
        or character in LETTERLESS
        or 0xFE00 <= point <= 0xFE0E
        or 0xE0100 <= point <= 0xE01EF
    )
