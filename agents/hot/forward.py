"""Sends what came in on to the operator's own tracing back end. Never delays the ingest, never fails it.

A bounded queue in this process: when the back end stays away for long, the newest are left out, and the log says
how many. What counts is stored here already. The address comes from the operator's environment, so it may be private.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from django.conf import settings

from .http import Scope

logger = logging.getLogger(__name__)

MOST_BYTES = 64 * 2**20
TIMEOUT_S = 10.0
RETRIES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds to wait before each further attempt."""
RETRYABLE = frozenset({408, 429, 502, 503, 504})
KEPT_HEADERS = {b"content-type": "Content-Type", b"content-encoding": "Content-Encoding"}


class Parcel(NamedTuple):
    body: bytes
    headers: dict[str, str]


class Refusal(Exception):
    """The back end does not take it; trying again would not help."""


class Forwarder:
    """One thread that posts parcels in their order."""

    def __init__(
        self,
        url: str,
        headers: dict[str, str],
        *,
        most: int = MOST_BYTES,
        retries: tuple[float, ...] = RETRIES,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.url, self.headers = url, headers
        self.left_out = 0
        self._most, self._retries, self._sleep = most, retries, sleep
        self._parcels: deque[Parcel] = deque()
        self._bytes = 0
        self._room = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, parcel: Parcel) -> None:
        """Queue it, or leave it out when there is no room."""
        with self._room:
            if self._bytes + len(parcel.body) > self._most:
                self.left_out += 1
                if self.left_out in (1, 10) or self.left_out % 100 == 0:
                    logger.warning("Forwarding is behind: %s requests left out", self.left_out)
                return
            self._parcels.append(parcel)
            self._bytes += len(parcel.body)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="forward", daemon=True)
                self._thread.start()
            self._room.notify()

    def wait_until_empty(self, timeout: float) -> bool:
        """Whether all was sent or given up in time."""
        with self._room:
            return self._room.wait_for(lambda: not self._bytes, timeout)

    def _work(self) -> None:
        while True:
            with self._room:
                self._room.wait_for(lambda: bool(self._parcels))
                parcel = self._parcels.popleft()
            try:
                self._deliver(parcel)
            except Exception as error:
                logger.warning("Spans were not forwarded: %s", error)
            with self._room:
                self._bytes -= len(parcel.body)
                self._room.notify_all()

    def _deliver(self, parcel: Parcel) -> None:
        for wait in (*self._retries, None):
            try:
                self._post(parcel)
                return
            except (OSError, HTTPException):
                if wait is None:
                    raise
                self._sleep(wait)

    def _post(self, parcel: Parcel) -> None:
        """Raises OSError or HTTPException when it may be tried again, else Refusal."""
        address = urlsplit(self.url)
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = kind(address.hostname or "", address.port, timeout=TIMEOUT_S)
        path = (address.path or "/v1/traces") + (f"?{address.query}" if address.query else "")
        try:
            connection.request(
                "POST",
                path,
                parcel.body,
                {"User-Agent": "Watchfloor"} | self.headers | parcel.headers,
            )
            answer = connection.getresponse()
            answer.read(4096)
        finally:
            connection.close()
        if answer.status in RETRYABLE:
            raise HTTPException(f"It answered {answer.status}.")
        if answer.status >= 300:
            raise Refusal(f"It answered {answer.status}.")


_forwarder: Forwarder | None = None
_lock = threading.Lock()


def soon(body: bytes, scope: Scope) -> None:
    """Forward a request that was stored, as it came, if the operator wants that."""
    url: str = settings.WATCHFLOOR_FORWARD_TRACES
    if not url:
        return
    headers = {
        KEPT_HEADERS[k]: v.decode("latin-1") for k, v in scope["headers"] if k in KEPT_HEADERS
    }
    forwarder_to(url, settings.WATCHFLOOR_FORWARD_TRACES_HEADERS).add(Parcel(body, headers))


def forwarder_to(url: str, headers: str) -> Forwarder:
    global _forwarder
    with _lock:
        if _forwarder is None or _forwarder.url != url:
            _forwarder = Forwarder(url, parsed(headers))
        return _forwarder


def parsed(text: str) -> dict[str, str]:
    """`name=value,name=value`, percent-encoded, as OTEL_EXPORTER_OTLP_HEADERS has it."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {unquote(name.strip()): unquote(value.strip()) for name, _, value in pairs}
