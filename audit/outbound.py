"""The only way out of the house: one POST to an address somebody gave us, that cannot be turned against us.

The name is resolved once and the connection goes to the very address that was checked (else a name could
change its mind in between); TLS is verified for the name. No redirects, no proxies from the environment,
ten seconds in all however slowly it drips, and a short excerpt of the answer.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse

from .targets import NoAnswer, Target, TargetRefused, find

__all__ = ["Answer", "NoAnswer", "TargetRefused", "post"]

MOST_READ = 4096
"""Bytes of an answer that are read; the rest is left on the wire."""


@dataclass(frozen=True)
class Answer:
    status: int
    excerpt: str
    """The beginning of the answer's body, as text. Whoever shows it shows words of a stranger."""
    retry_after: timedelta = timedelta(0)
    """How long it wants to be left alone."""

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


def post(
    url: str, body: bytes | str, headers: Mapping[str, str] | None = None, timeout: float = 10
) -> Answer:
    """Send a body, once. Raises `TargetRefused` (we do not send there) or `NoAnswer`; both say why."""
    clock = Clock(timeout)
    target = find(url, timeout=clock.left())
    connection = _Connection(target, clock)
    try:
        connection.request(
            "POST",
            target.path,
            body.encode() if isinstance(body, str) else body,
            {"User-Agent": "Watchfloor", **(headers or {}), "Host": target.host_header},
        )
        answer = connection.getresponse()
        excerpt = _beginning(answer)
    except TimeoutError as problem:
        raise NoAnswer(f"{target.host} did not answer within {timeout:.0f} s.") from problem
    except ssl.SSLCertVerificationError as problem:
        raise NoAnswer(
            f"The certificate of {target.host} is not valid: {problem.verify_message}."
        ) from problem
    except ssl.SSLError as problem:
        raise NoAnswer(f"No secure connection to {target.host}: {problem.reason}.") from problem
    except HTTPException as problem:
        raise NoAnswer(f"{target.host} did not answer in HTTP.") from problem
    except OSError as problem:
        why = problem.strerror or type(problem).__name__
        raise NoAnswer(f"{target.host} could not be reached: {why}.") from problem
    finally:
        connection.hang_up()
    return Answer(
        answer.status,
        excerpt.decode(errors="replace").replace("\x00", "\ufffd"),
        wanted_rest(answer.getheader("Retry-After", "")),
    )


def wanted_rest(text: str) -> timedelta:
    """A Retry-After header, in seconds or as a date (RFC 9110, 10.2.3); at most a day, nothing when unreadable."""
    try:
        wanted = (
            timedelta(seconds=int(text))
            if text.isascii() and text.isdigit() and len(text) < 10
            else parsedate_to_datetime(text) - datetime.now(UTC)
        )
    except (TypeError, ValueError):
        return timedelta(0)
    return min(max(wanted, timedelta(0)), timedelta(days=1))


def _beginning(answer: HTTPResponse) -> bytes:
    """What came of the body. The status is the answer: a body that breaks off or drips takes nothing from it."""
    found = b""
    with contextlib.suppress(OSError, HTTPException):
        while len(found) < MOST_READ and (more := answer.read1(MOST_READ - len(found))):
            found += more
    return found


class Clock:
    """What is left of the time that everything together may take."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Connection(HTTPConnection):
    """Goes to an address that was checked, and looks at the clock before every read and write."""

    def __init__(self, target: Target, clock: Clock) -> None:
        super().__init__(target.host, target.port)
        self._target = target
        self._clock = clock
        self._plain: socket.socket | None = None

    def connect(self) -> None:
        plain = self._reach()
        if self._target.is_tls:
            plain.settimeout(self._clock.left())
            try:
                plain = _tls().wrap_socket(plain, server_hostname=self._target.host)
            except BaseException:
                plain.close()
                raise
        self._plain = plain
        self.sock = _Timed(plain, self._clock)  # all that http.client asks of a socket

    def hang_up(self) -> None:
        self.close()
        if self._plain is not None:
            self._plain.close()

    def _reach(self) -> socket.socket:
        """The first of its addresses that takes us; one that swallows packets leaves time for the next."""
        *others, last = self._target.addresses
        for address in others:
            try:
                return self._dial(str(address), self._clock.left() / 2)
            except OSError:
                continue
        return self._dial(str(last), self._clock.left())

    def _dial(self, address: str, timeout: float) -> socket.socket:
        return socket.create_connection((address, self._target.port), timeout)


class _Timed:
    """A socket whose every wait ends when the clock has run out."""

    def __init__(self, plain: socket.socket, clock: Clock) -> None:
        self._plain = plain
        self._clock = clock

    def sendall(self, data: bytes) -> None:
        self._plain.settimeout(self._clock.left())
        self._plain.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._plain, self._clock))

    def close(self) -> None:
        """Not yet: http.client lets go of the socket before the body is read."""


class _Reader(io.RawIOBase):
    def __init__(self, plain: socket.socket, clock: Clock) -> None:
        self._plain = plain
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._plain.settimeout(self._clock.left())
        return self._plain.recv_into(buffer)


@cache
def _tls() -> ssl.SSLContext:
    """Trusts the system's authorities, or those in the file SSL_CERT_FILE names."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
