"""Static files: names that carry a hash of the content, served before Django, cached for good."""

from __future__ import annotations

from typing import Any
from wsgiref.headers import Headers

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from servestatic import ServeStaticASGI


class HashedStorage(ManifestStaticFilesStorage):
    """`floor.css` becomes `floor.1f0c….css`, and modules import each other by those names too."""

    support_js_module_import_aggregation = True


def served_before(application: Any) -> ServeStaticASGI:
    """`application`, with static files answered in front of it."""
    server = ServeStaticASGI(
        application,
        autorefresh=settings.STATIC_FROM_SOURCE,
        allow_all_origins=False,
        add_headers_function=_harden,
    )
    if settings.STATIC_FROM_SOURCE:
        for finder in finders.get_finders():
            for storage in getattr(finder, "storages", {}).values():
                server.add_files(storage.location, prefix=settings.STATIC_URL)
    elif settings.STATIC_ROOT.exists():
        server.add_files(settings.STATIC_ROOT, prefix=settings.STATIC_URL)
    return server


def _harden(headers: Headers, path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
