"""Vendored files are what they say they are, and pages fetch nothing from elsewhere."""

from __future__ import annotations

import re
from hashlib import sha256

from django.conf import settings

VENDOR = settings.BASE_DIR / "static/vendor"
SUM = re.compile(r"^\| (\S+) \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def test_every_vendored_file_has_its_sum() -> None:
    listed = dict(SUM.findall((VENDOR / "VENDORED.md").read_text()))

    found = {
        str(path.relative_to(VENDOR)): sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "VENDORED.md"
    }
    assert found == listed


def test_no_template_or_sheet_asks_another_host_or_carries_script() -> None:
    forbidden = re.compile(
        r"<style|\sstyle=|\son[a-z]+=[\"']|hx-on|<script(?![^>]*\bsrc=)|javascript:|url\([\"']?https?:",
        re.I,
    )
    roots = (settings.BASE_DIR / "templates", settings.BASE_DIR / "static/css")

    found = [
        f"{path.name}: {line.strip()}"
        for root in roots
        for path in root.rglob("*.*")
        for line in path.read_text().splitlines()
        if forbidden.search(line) or re.search(r"(src|(?<!<a )href)=\"https?://", line)
    ]
    assert not found
