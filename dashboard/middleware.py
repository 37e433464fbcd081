"""Where a request comes from, for the record; and times in the zone of whoever looks."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from contextlib import AbstractContextManager

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from audit import source
from dashboard import attempts


class Source:
    """The outermost: whatever is recorded meanwhile tells where it came from, and what was refused is written down."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refused = attempts.begin()
        with source_of(request):
            response = self.get_response(request)
            if refused or response.status_code == 403:
                attempts.write(request, response, refused)
        return response


def source_of(request: HttpRequest) -> AbstractContextManager[None]:
    """What is recorded inside tells that it came with this request."""
    meta = request.META
    return source.of(
        _channel(request.path, meta.get("HTTP_AUTHORIZATION", "")),
        address=meta.get("REMOTE_ADDR") or "",
        program=meta.get("HTTP_USER_AGENT", ""),
    )


def _channel(path: str, credential: str) -> source.Channel:
    if not path.startswith("/api/"):
        return "page"
    return "api" if "wfp_" in credential[:12] else "agent"


class TimeZone:
    """Activates the person's zone for the request; UTC for strangers and for zones that no longer exist."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(_zone(getattr(request.user, "time_zone", "UTC"))):
            return self.get_response(request)


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")
