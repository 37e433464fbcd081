"""That the browser's own checks work: a page is clean, and one that is not fails."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect


def test_a_stranger_is_asked_to_sign_in(page: Page, live: str) -> None:
    page.goto(live)

    expect(page).to_have_url(f"{live}/sign-in/?next=/")
    expect(page.locator("input[type=password]")).to_be_visible()


@pytest.mark.allow_console("Content Security Policy")
@pytest.mark.allow_console("Content-Security-Policy")
def test_script_that_is_not_ours_does_not_run(page: Page, live: str) -> None:
    page.goto(f"{live}/sign-in/")

    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
        }"""
    )

    assert page.evaluate("window.ran") is None
