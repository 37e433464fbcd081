"""Which tools a pattern means: an exact name, or a glob in which `*` stands for any text."""

from __future__ import annotations

ANY = "*"


def is_glob(pattern: str) -> bool:
    return ANY in pattern


def can_be_named(tool: str) -> bool:
    """Whether a rule could name it: one with characters that cannot be seen only looks like what rules name."""
    return tool.isprintable() and tool == tool.strip()


def fits(pattern: str, tool: str) -> bool:
    """`mail.*` fits `mail.read`. Linear in both, whatever an agent calls its tool."""
    if ANY not in pattern:
        return pattern == tool
    first, *middle, last = pattern.split(ANY)
    if len(tool) < len(first) + len(last):
        return False
    if not tool.startswith(first) or not tool.endswith(last):
        return False
    at, end = len(first), len(tool) - len(last)
    for part in middle:
        at = tool.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
