"""What a channel's library may do while it sends, and what became of it.

Apprise opens connections itself, through `requests` and `smtplib`, and tells no more than yes or no. While a
thread sends, an audit hook of the interpreter (PEP 578) sees every connection at the moment it is made, with
the address it is made to: a name that changes its mind after a check, a redirect and a plugin with ways of its own
all come by here. Files, processes and datagrams are refused. After ten seconds every connection is cut,
however slowly it drips.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any

import requests

from audit.outbound import MOST_READ, wanted_rest
from audit.targets import Address, is_allowed, is_named, refusal

MOST_HELD = 64 * 1024
"""Bytes of an answer that are handed to the library."""
NEVER = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.")
DATAGRAMS = ("socket.sendto", "socket.sendmsg", "socket.bind")
READABLE = ("/usr/share/", "/usr/lib/", "/etc/ssl/", "/etc/mime.types")
"""Beside Python's own folders: time zones, authorities, types of files."""

_here = threading.local()


class Refusal(PermissionError):
    """We do not do that for a channel."""


@dataclass
class Attempt:
    """One sending: what is allowed in it, and what was seen of it."""

    trusted: str = ""
    """A host that the settings name: the house's own mail server."""
    is_plain: bool = False
    """Nothing is encrypted, so it may only go to targets that the settings name."""
    seconds: float = 10
    host: str = ""
    refused: str = ""
    error: str = ""
    status: int | None = None
    answer: str = ""
    rest: timedelta = timedelta(0)
    is_over: bool = False
    _open: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connecting(self, plain: socket.socket, place: object) -> None:
        """Allow a connection, or raise; keeps a second handle, by which it is cut when time is over."""
        if self.is_over:
            raise TimeoutError("Its time is over.")
        try:
            address = ip_address(str(place[0]).partition("%")[0])  # type: ignore[index]
        except (TypeError, ValueError, IndexError):
            self.refuse("It wanted to connect to something on this machine.")
        if not self.may_reach(address):
            self.refuse(refusal(self.host or str(address), address))
        with self._lock:
            self._open.append(plain.dup())

    def may_reach(self, address: Address) -> bool:
        if self.trusted and self.host == self.trusted:
            return True
        if self.is_plain:
            if is_named(self.host, address):
                return True
            self.refuse(
                "It would go there unencrypted. That is only for targets that are named in "
                "WATCHFLOOR_PRIVATE_TARGETS."
            )
        return is_allowed(self.host, address)

    def refuse(self, sentence: str) -> None:
        self.refused = self.refused or sentence
        raise Refusal(sentence)

    def cut(self) -> None:
        """Time is over: whoever reads or writes finds the line dead."""
        with self._lock:
            self.is_over = True
            for handle in self._open:
                with contextlib.suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        with self._lock:
            for handle in self._open:
                handle.close()
            self._open.clear()

    def saw(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.answer = (response.content or b"")[:MOST_READ].decode(errors="replace")
        self.answer = self.answer.replace("\x00", "\ufffd")
        self.rest = wanted_rest(response.headers.get("Retry-After", ""))
        self.error = ""


@contextlib.contextmanager
def guarded(attempt: Attempt) -> Iterator[Attempt]:
    """Whatever this thread does within is watched. Never nested."""
    _install()
    clock = threading.Timer(attempt.seconds, attempt.cut)
    clock.daemon = True
    clock.start()
    _here.attempt = attempt
    try:
        yield attempt
    finally:
        _here.attempt = None
        clock.cancel()
        attempt.hang_up()


def current() -> Attempt | None:
    found: Attempt | None = getattr(_here, "attempt", None)
    return found


@cache
def _install() -> None:
    """Once in a process, and only in those that send: a hook cannot be taken out again."""
    sys.addaudithook(_watch)
    requests.Session.send = _sending(requests.Session.send)  # type: ignore[method-assign]
    quiet()


@cache
def quiet() -> None:
    """Keep addresses out of the logs: libraries write them there with all that is secret in them."""
    apprise = logging.getLogger("apprise")
    apprise.propagate = False
    apprise.setLevel(logging.DEBUG)
    apprise.addHandler(_Listening())
    for name in ("connection", "connectionpool", "util.retry", "response", "poolmanager"):
        logging.getLogger(f"urllib3.{name}").addFilter(lambda _record: current() is None)


def _watch(event: str, args: tuple[Any, ...]) -> None:
    attempt = getattr(_here, "attempt", None)
    if attempt is None:
        return
    if event == "socket.connect":
        attempt.connecting(*args[:2])
    elif event == "socket.getaddrinfo":
        host = args[0]
        host = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
        attempt.host = host.rstrip(".").lower()
    elif event == "open":
        if not _may_open(args[0], args[1]):
            attempt.refuse("It wanted to read or write a file on this machine.")
    elif event in DATAGRAMS or event.startswith(NEVER):
        attempt.refuse("It wanted to do something on this machine that channels may not.")


def _may_open(path: object, mode: object) -> bool:
    if isinstance(path, int):
        return True
    name = os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]
    is_read = mode is None or not set(str(mode)) & set("wax+")
    return is_read and name.startswith((sys.prefix, sys.base_prefix, *READABLE))


def _sending(send: Any) -> Any:
    def guarded_send(self: requests.Session, request: Any, **kwargs: Any) -> requests.Response:
        """One request: nothing followed, no proxy of the environment, a certificate that is valid, little read."""
        attempt = current()
        if attempt is None:
            response: requests.Response = send(self, request, **kwargs)
            return response
        attempt.is_plain = not request.url.lower().startswith("https://")
        authorities = ssl.get_default_verify_paths().cafile or True  # SSL_CERT_FILE, the system's
        kwargs |= {"stream": True, "allow_redirects": False, "proxies": {}, "verify": authorities}
        try:
            response = send(self, request, **kwargs)
            if attempt.is_over:  # cut within the headers: they read as if they had ended there
                raise requests.ReadTimeout
            _read_little(response)
        except Exception as problem:
            attempt.error = _in_words(attempt, problem)
            raise
        attempt.saw(response)
        return response

    return guarded_send


def _read_little(response: requests.Response) -> None:
    """The status is the answer: a body that breaks off takes nothing from it."""
    found = b""
    with contextlib.suppress(requests.RequestException, OSError, RuntimeError):
        for part in response.iter_content(4096):
            found += part
            if len(found) >= MOST_HELD:
                break
    response._content = found
    response._content_consumed = True
    response.close()


def _in_words(attempt: Attempt, problem: Exception) -> str:
    host = attempt.host or "It"
    if attempt.is_over or isinstance(problem, requests.Timeout):
        return f"{host} did not answer within {attempt.seconds:.0f} s."
    if isinstance(problem, requests.exceptions.SSLError):
        return f"The certificate of {host} is not valid, or it does not speak TLS."
    if isinstance(problem, requests.ConnectionError):
        return f"{host} could not be reached."
    return f"The message could not be sent: {type(problem).__name__}."


class _Listening(logging.Handler):
    """What Apprise writes where it can only answer no: of mail, whatever the server said."""

    def emit(self, record: logging.LogRecord) -> None:
        attempt = current()
        if attempt is None or attempt.status is not None or attempt.error:
            return
        with contextlib.suppress(Exception):
            told = record.getMessage()
            if told.startswith("Socket Exception: "):
                attempt.error = _of_mail(attempt, told.removeprefix("Socket Exception: "))


def _of_mail(attempt: Attempt, told: str) -> str:
    if attempt.is_over or "timed out" in told:
        return f"{attempt.host} did not answer within {attempt.seconds:.0f} s."
    return f"{attempt.host} said: {told[:500]}"
