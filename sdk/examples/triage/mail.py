"""Messages from an mbox file, with the many ways in which mail spells plain words."""

from __future__ import annotations

import html
import mailbox
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from pathlib import Path

_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_BLANKS = re.compile(r"[ \t]*\n\s*\n\s*")


def mailbox_rows(path: Path) -> Iterator[dict[str, object]]:
    """Each mail's id, sender, subject and what its writer wrote."""
    box = mailbox.mbox(path, create=False)
    try:
        for key in box.iterkeys():
            mail = message_from_bytes(box.get_bytes(key), policy=policy.default)
            yield {
                "id": _header(mail, "Message-ID").strip("<>"),
                "from": _header(mail, "From"),
                "subject": _header(mail, "Subject"),
                "text": _words(mail),
            }
    finally:
        box.close()


def _header(mail: EmailMessage, name: str) -> str:
    """A header's words. A broken encoding is a stranger's doing and no reason to lose the mail."""
    try:
        value = str(mail.get(name, ""))
        return str(make_header(decode_header(value))) if "=?" in value else value
    except (ValueError, LookupError):
        return ""


def _words(mail: EmailMessage) -> str:
    """The plain part where there is one, else the HTML part without its tags."""
    for kind in ("plain", "html"):
        for part in mail.walk():
            if part.get_content_type() != f"text/{kind}" or part.is_attachment():
                continue
            text = _decoded(part)
            if text.strip():
                return _readable(text) if kind == "html" else text.strip()
    return ""


def _decoded(part: EmailMessage) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    try:
        return content.decode(charset, errors="replace")
    except LookupError:  # a charset nobody has heard of
        return content.decode("utf-8", errors="replace")


def _readable(markup: str) -> str:
    return _BLANKS.sub("\n\n", html.unescape(_TAGS.sub(" ", markup))).strip()
