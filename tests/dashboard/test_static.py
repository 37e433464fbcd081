"""Collected files: names with a hash, cached for good."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from dashboard import static

HASHED = {
    "staticfiles": {"BACKEND": "dashboard.static.HashedStorage"},
}


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `bin/dev` collects; fails when a sheet or module names a file that is not there."""
    root = tmp_path_factory.mktemp("static")
    with override_settings(STATIC_ROOT=root, STORAGES={**settings.STORAGES, **HASHED}):
        call_command("collectstatic", verbosity=0, interactive=False)
    return root


async def test_hashed_files_are_cached_for_good_and_plain_ones_are_not(collected: Path) -> None:
    with override_settings(STATIC_ROOT=collected, STATIC_FROM_SOURCE=False):
        site = static.served_before(None)
    hashed = next(path for path in (collected / "css").iterdir() if len(path.suffixes) == 2)
    plain = hashed.with_name(f"{hashed.name.split('.')[0]}.css")
    transport = httpx.ASGITransport(app=site)

    async with httpx.AsyncClient(transport=transport, base_url="http://floor") as client:
        for_good = await client.get(f"/static/css/{hashed.name}")
        for_a_minute = await client.get(f"/static/css/{plain.name}")
        missing = await client.get("/static/css/none.css")

    assert "immutable" in for_good.headers["cache-control"]
    assert "immutable" not in for_a_minute.headers["cache-control"]
    assert for_good.headers["x-content-type-options"] == "nosniff"
    assert missing.status_code == 404
