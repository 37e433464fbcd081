"""Where the database and Redis come from: the environment (production) or embedded servers."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .postgres import EmbeddedPostgres
from .process import CannotStart
from .valkey import EmbeddedValkey

PROJECT = Path(__file__).resolve().parents[2]
OWNER = "WATCHFLOOR_OWNER_DATABASE_URL"
"""The variable that says how to reach the database as the owner of its tables."""
_ADDRESSES = "addresses.json"
_ROOM = 200 * 1024 * 1024
"""Free bytes below which starting is refused: PostgreSQL would stop at its next checkpoint."""


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Everything Watchfloor keeps on this machine: `$WATCHFLOOR_DATA`, else `.watchfloor` in the project."""
    return Path(environment.get("WATCHFLOOR_DATA") or PROJECT / ".watchfloor").absolute()


def lay(data: Path) -> None:
    """Create the data folder, private to us. One that was there before keeps its mode: it is somebody's."""
    if not data.exists():
        data.mkdir(parents=True)
        # Root's PostgreSQL account has to walk through, to its own folder; it can list nothing here.
        data.chmod(0o711 if os.geteuid() == 0 else 0o700)


def prepare(data: Path) -> None:
    """Make sure that the data folder is there, can be written and has room. Raises `CannotStart`."""
    try:
        lay(data)
        with tempfile.TemporaryFile(dir=data) as probe:
            probe.write(b"\0" * 65536)
            probe.flush()
        free = shutil.disk_usage(data).free
    except OSError as error:
        reason = (
            "the disk is full"
            if error.errno == errno.ENOSPC
            else (error.strerror or str(error)).lower()
        )
        raise CannotStart(
            f"Cannot write to {data}: {reason}. Set WATCHFLOOR_DATA to another folder."
        ) from error
    if free < _ROOM:
        raise CannotStart(
            f"Only {free // 2**20} MB are free for {data}, too little for a database: "
            "make room, or set WATCHFLOOR_DATA to a folder on another disk."
        )


def private_file(path: Path, content: str) -> None:
    """Write a file that only we may read, whole or not at all."""
    half = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    half.replace(path)


def running_floor(data: Path) -> dict[str, str]:
    """The addresses of the floor and its embedded servers, as a supervisor told; empty when none has."""
    try:
        addresses: dict[str, str] = json.loads((data / _ADDRESSES).read_text())
    except (OSError, ValueError):
        return {}
    return addresses


class Runtime:
    """The embedded servers that the environment does not replace, and the addresses of all."""

    def __init__(
        self, data: Path, environment: Mapping[str, str] = os.environ, *, fast: bool = False
    ) -> None:
        self.data = data.resolve()
        self.servers: list[EmbeddedPostgres | EmbeddedValkey] = []
        if not environment.get("DATABASE_URL"):
            self.servers.append(EmbeddedPostgres(self.data, fast=fast))
        if not environment.get("REDIS_URL"):
            self.servers.append(EmbeddedValkey(self.data))

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def stop(self) -> None:
        for server in reversed(self.servers):
            server.stop()

    def tell(self, *, url: str) -> None:
        """Leave word for commands in other terminals, which then find what the environment does not name."""
        private_file(self.data / _ADDRESSES, json.dumps({**self.addresses, "WATCHFLOOR_URL": url}))

    @property
    def addresses(self) -> dict[str, str]:
        """What the children must find in their environment; known once started.

        What runs connects as the application; `WATCHFLOOR_OWNER_DATABASE_URL` is for what migrates.
        """
        found = {}
        for server in self.servers:
            if isinstance(server, EmbeddedPostgres):
                found["DATABASE_URL"] = server.application_url
                found[OWNER] = server.url
            else:
                found["REDIS_URL"] = server.url
        return found

    @property
    def shelter(self) -> Path | None:
        """Where PostgreSQL keeps its data when that is not below the data folder."""
        for server in self.servers:
            if isinstance(server, EmbeddedPostgres) and server.home.parent != self.data:
                return server.home
        return None
