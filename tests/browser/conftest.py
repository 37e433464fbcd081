"""A browser that is already there, and a `page` that forgives nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from bench.browser import chromium


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, **chromium()}


@pytest.fixture
def page(live: str, page: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Fails the test on a console error (a broken content policy is one), a script error, or a request elsewhere.

    `@pytest.mark.allow_console("text")` allows what contains the text. `live` comes first so that it ends last: a
    page still open when the sessions are truncated would go to sign-in while it is closed, and Chromium hangs.
    """
    seen: list[str] = []
    page.on("console", lambda m: seen.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: seen.append(f"script: {error}"))
    page.on("request", lambda r: None if _is_here(r.url) else seen.append(f"elsewhere: {r.url}"))
    page.on("websocket", lambda s: None if _is_here(s.url) else seen.append(f"elsewhere: {s.url}"))
    yield page
    allowed = [mark.args[0] for mark in request.node.iter_markers("allow_console")]
    wrong = [line for line in seen if not any(text in line for text in allowed)]
    assert not wrong, wrong


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"data", "blob", "about"} or parts.hostname in {"127.0.0.1", "localhost"}
