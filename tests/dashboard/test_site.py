"""Every door of the running server, over real HTTP."""

from __future__ import annotations

import threading
import zoneinfo
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.utils import timezone
from pytest_django import Settings

from dashboard import urls

seen: list[tuple[str, str]] = []


def zone(request: HttpRequest) -> HttpResponse:
    """Says which time zone it found, and leaves another one behind."""
    found = timezone.get_current_timezone_name()
    timezone.activate(zoneinfo.ZoneInfo("Asia/Tokyo"))
    seen.append((threading.current_thread().name, found))
    return HttpResponse(found)


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type="text/plain")


def parts(request: HttpRequest) -> StreamingHttpResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"{number}\n"

    return StreamingHttpResponse(lines())


async def slow(request: HttpRequest) -> HttpResponse:
    return HttpResponse("async")


urlpatterns = [
    *urls.urlpatterns,
    path("zone", zone),
    path("echo", echo),
    path("parts", parts),
    path("async", slow),
]


@pytest.fixture
def http(live: str, settings: Settings) -> Iterator[httpx.Client]:
    settings.ROOT_URLCONF = __name__
    with httpx.Client(base_url=live) as client:
        yield client


def test_pages_are_answered_by_a_few_threads_that_forget(http: httpx.Client) -> None:
    seen.clear()

    answers = {http.get("/zone").text for _ in range(40)}

    assert answers == {"UTC"}, "a time zone of one visitor is not the next one's"
    assert all(name.startswith("site") for name, _ in seen)
    assert len({name for name, _ in seen}) <= settings.SITE_THREADS


def test_large_bodies_arrive(http: httpx.Client) -> None:
    body = "x" * 3_000_000

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.DATA_UPLOAD_MAX_MEMORY_SIZE", None)
        assert http.get("/livez").status_code == 200
        answer = http.request("GET", "/echo", content=body)

    assert answer.text == body


def test_answers_can_be_streamed(http: httpx.Client) -> None:
    assert http.get("/parts").text == "0\n1\n2\n"


def test_async_views_work(http: httpx.Client) -> None:
    assert http.get("/async").text == "async"


def test_strangers_hosts_are_refused(http: httpx.Client) -> None:
    assert http.get("/livez", headers={"Host": "evil.example"}).status_code == 400


def test_every_page_says_what_a_browser_may_do(http: httpx.Client) -> None:
    headers = http.get("/livez").headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_a_page_that_nobody_knows_is_404(http: httpx.Client) -> None:
    assert http.get("/no/such/page").status_code == 404
    assert http.get("/static/../manage.py").status_code == 404
