"""The browser to look through, as `bin/browser` finds it."""

from __future__ import annotations

import os
import shutil
from typing import Any


def chromium() -> dict[str, Any]:
    """Launch arguments for a browser that is installed, else the one Playwright fetched."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    arguments = ["--disable-dev-shm-usage", "--disable-gpu"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # its sandbox refuses root; the pages are our own
    return {"args": arguments, **({"executable_path": found} if found else {})}
