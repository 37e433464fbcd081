"""What makes a floor the only one: its lock and its port."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from pathlib import Path

from dashboard.embedded.process import CannotStart


class Lock:
    """Held for as long as this process lives: the kernel lets go of it, however the process ends."""

    def __init__(self, data: Path) -> None:
        self._file = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode() or "unknown"
            raise CannotStart(
                f"Watchfloor is already running in {data}, as process {holder}: "
                "stop that one first, or set WATCHFLOOR_DATA to another folder."
            ) from None
        self.found_open = bool(os.read(self._file, 1))
        """The floor before this one was killed, and its children may still be leaving."""
        self._write(str(os.getpid()))

    def release(self) -> None:
        self._write("")
        os.close(self._file)

    def _write(self, text: str) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)


def listen(host: str, port: int, *, patience: float = 0) -> socket.socket:
    """The socket that web servers answer on. We keep it: while one is restarted, callers wait instead of failing."""
    end = time.monotonic() + patience
    while True:
        try:
            return _bound(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < end:
                time.sleep(0.1)
                continue
            raise CannotStart(_why_not(error, host, port)) from error


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Given a descriptor, uvicorn takes it for a Unix socket and leaves
        # Nagle's delay on: 45 ms on every answer to a client that sends head and body apart.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by another program: choose another one with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than we have: choose one above 1023 with --port."
    return f"Cannot listen on {host} port {port} ({error.strerror}): choose others with --host and --port."
