"""What people tell a run while it works, put into the ledger before it is acknowledged."""

from __future__ import annotations

from typing import Any

from watchfloor import Directive

from .categories import CATEGORIES, OTHER
from .ledger import Ledger


class Directions:
    """The instructions, exceptions and answers given to one batch.

    A `state` directive may carry `skip` (ids of messages to leave to a person) and `categories` (what to file
    under another name, `{"top-up": "account"}`). Applying the same directive twice is harmless.
    """

    def __init__(self, ledger: Ledger, batch: str) -> None:
        self._ledger = ledger
        self._batch = batch

    def instructions(self) -> tuple[str, ...]:
        """Every instruction in force, for the prompt."""
        return tuple(self._said("instructions", {}).values())

    def skips(self, message_id: str) -> bool:
        return message_id in self._said("skip", [])

    def category(self, name: str) -> str:
        """Where messages of this category are filed."""
        return str(self._said("categories", {}).get(name, name))

    def apply(self, directive: Directive) -> None:
        if directive.kind == "instruction" and directive.text.strip():
            self._keep(
                "instructions", self._said("instructions", {}) | {directive.id: directive.text}
            )
        elif directive.kind == "state":
            self._change_state(directive.body)
        elif directive.kind == "review":
            self._take_back(directive.body)

    def _change_state(self, body: dict[str, Any]) -> None:
        skip = body.get("skip")
        ids = [skip] if isinstance(skip, str) else skip if isinstance(skip, list) else []
        names = [str(each).removeprefix("message:") for each in ids]
        self._keep("skip", sorted({*self._said("skip", []), *names}))
        renamed = body.get("categories")
        if isinstance(renamed, dict):
            known = {str(old): str(new) for old, new in renamed.items() if _is_category(new)}
            self._keep("categories", self._said("categories", {}) | known)

    def _take_back(self, answer: dict[str, Any]) -> None:
        """A person answered work that was handed over: try again, or file it where they say."""
        message_id, tries = _item(str(answer.get("key", "")))
        if answer.get("decision") == "retried":
            self._ledger.again(message_id, tries, self._batch)
            return
        payload = answer.get("payload")
        category = payload.get("category") if isinstance(payload, dict) else None
        if answer.get("decision") == "resolved" and _is_category(category):
            plan = {"step": "file", "category": category, "by": "a person"}
            self._ledger.again(message_id, tries, self._batch, plan)
        else:
            self._ledger.answered(message_id, tries)

    def _said(self, name: str, default: Any) -> Any:
        return self._ledger.note(f"{self._batch}:{name}", default)

    def _keep(self, name: str, value: Any) -> None:
        self._ledger.keep(f"{self._batch}:{name}", value)


def review_key(message_id: str, tries: int) -> str:
    """The name under which work is handed over: once for each time the agent gave up on it."""
    return f"message:{message_id}#{tries}"


def _item(key: str) -> tuple[str, int]:
    message_id, _, tries = key.removeprefix("message:").rpartition("#")
    return message_id, int(tries) if tries.isdigit() else 0


def _is_category(name: object) -> bool:
    return name == OTHER or name in CATEGORIES
