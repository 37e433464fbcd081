"""Server-sent events, line by line (WHATWG HTML, 9.2.6)."""

from __future__ import annotations


class SseReader:
    """Feed it lines without their ends; at the blank line after an event it gives (event, data)."""

    def __init__(self) -> None:
        self._event = ""
        self._data: list[str] = []

    def feed(self, line: str) -> tuple[str, str] | None:
        if line:
            name, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "event":
                self._event = value
            elif name == "data":
                self._data.append(value)
            return None
        event, data = self._event or "message", "\n".join(self._data)
        complete = bool(self._data)
        self._event, self._data = "", []
        return (event, data) if complete else None
