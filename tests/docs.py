"""`python -m tests.docs` writes the tables in docs that are made of the code."""

from __future__ import annotations

import os
from pathlib import Path

import django
import django.apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
if not django.apps.apps.ready:
    django.setup()

from audit import kinds

RECORD = Path(__file__).parents[1] / "docs" / "record.md"
BEGIN, END = "<!-- kinds: made by tests/docs.py -->", "<!-- end of kinds -->"


def kinds_table() -> str:
    """Every kind with its version, its sentence and its fields, as Markdown."""
    lines = ["| kind | version | read as | fields | event |", "|---|---|---|---|---|"]
    for kind in kinds.every():
        fields = ", ".join(
            f"`{name}` {type_}{' or null' if optional else ''}"
            for name, (type_, optional) in kind.declared().items()
            if name not in kinds.COMMON
        )
        event = "yes" if kind.public else ""
        lines.append(f"| `{kind.name}` | {kind.version} | {kind.sentence} | {fields} | {event} |")
    return "\n".join(lines)


def write() -> None:
    text = RECORD.read_text()
    before, _begin, rest = text.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    RECORD.write_text(f"{before}{BEGIN}\n{kinds_table()}\n{END}{after}")


if __name__ == "__main__":
    write()
