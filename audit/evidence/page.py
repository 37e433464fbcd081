"""Entries as one page that anybody can read: without script, without anything from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO

from django.utils.html import escape

from audit.hidden import spelt_out
from audit.kinds import named, sentence
from audit.models import Entry
from audit.rules.lines import moment

from .rows import Row

MOST = 2_000
"""Entries on the page. All of them are in entries.jsonl, which is what is proved."""
LONGEST = 20_000
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}li{margin:0 0 .8rem;padding:.6rem .8rem;border:1px solid #8886;border-radius:.4rem;list-style:none}
ol{padding:0}p{margin:.2rem 0}.meta,dt{color:#777;font-size:.85rem}.gone{font-style:italic}dd{margin:0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8rem;margin:.3rem 0}code{overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .8rem}@media print{li{break-inside:avoid}}
"""


class Page:
    """Writes to an open text file: head first, then entries, then the end."""

    def __init__(self, file: IO[str], title: str, facts: Mapping[str, str]) -> None:
        self._file, self._shown, self._more = file, 0, 0
        told = "".join(
            f"<dt>{shown(name)}</dt><dd><code>{shown(value)}</code></dd>"
            for name, value in facts.items()
        )
        file.write(
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{shown(title)}</title><style>{STYLE}</style></head><body>"
            f"<h1>{shown(title)}</h1><dl>{told}</dl>"
            "<p>This page is for reading. What is proved is entries.jsonl: "
            "<code>watchfloor verify</code>, as README.txt says.</p><ol>"
        )

    def add(self, row: Row, names: Mapping[str, str]) -> None:
        if self._shown == MOST:
            self._more += 1
            return
        self._shown += 1
        line, content = row.line, row.content
        gone = '<p class="gone">What it told was erased. Its line is still proved.</p>'
        self._file.write(
            f'<li id="e{row.index}"><p>{shown(_said(row, names))}</p>'
            f'<p class="meta">{row.index} · {moment(line.at)} · {shown(line.kind)} · '
            f"{shown(named(line.actor, names))} <code>{shown(line.actor)}</code> · "
            f"<code>{shown(line.about)}</code></p>{gone if row.body is None else ''}"
        )
        for name, word in (("data", "Facts"), ("source", "From where")):
            if content.get(name):
                text = json.dumps(content[name], ensure_ascii=False, indent=1, sort_keys=True)
                self._file.write(f'<p class="meta">{word}</p><pre>{shown(text)}</pre>')
        self._file.write("</li>\n")

    def end(self) -> None:
        more = f"<p>{self._more:,} more are in entries.jsonl and entries.csv.</p>"
        self._file.write(f"</ol>{more if self._more else ''}</body></html>\n")


def shown(text: str) -> str:
    """Escaped, with every character spelt out that one would not see."""
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
    return escape(spelt_out(cut))


def _said(row: Row, names: Mapping[str, str]) -> str:
    content, line = row.content, row.line
    data, summary = content.get("data"), content.get("summary", "")
    entry = Entry(
        kind=line.kind,
        actor=line.actor,
        about=line.about,
        summary=str(summary),
        data=data if isinstance(data, dict) else {},
    )
    said = sentence(entry, names)
    return said if not summary or str(summary) in said else f"{said}: {summary}"
