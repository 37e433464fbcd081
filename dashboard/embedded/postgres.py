"""An embedded PostgreSQL with a lifecycle of its own: initialised once, started, stopped, recovered after a crash.

It listens on a socket in a private folder only. Who connects is told by the kernel (`peer`), so there is no
password to keep. The wheels' own `get_server()` is not used: as root it adds a user and opens every parent folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

from . import place
from .process import (
    CannotStart,
    command_line,
    die_with_parent,
    is_unburied,
    socket_folder,
    tail,
    users_of_memory,
)

NAME = "watchfloor"
"""Of the role that owns everything, and of the database."""
APPLICATION = "watchfloor_app"
"""The role that Watchfloor runs as: it owns nothing, so it can neither rewrite the record nor change a table."""

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "jit": "off",  # queries are short: compiling them costs more than it saves
}
_SOCKET = ".s.PGSQL.5432"
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One server below `data`. `fast` gives up durability, for tests."""

    name = "postgres"

    def __init__(self, data: Path, *, fast: bool = False) -> None:
        self.home = place.postgres_home(data)
        self.binaries = place.postgres_binaries(self.home)
        self.account = place.account()
        self.owner = self.account.pw_uid if self.account else os.geteuid()
        self.data = self.home / "data"
        self.log = self.home / "postgres.log"
        self.settings = {**_SETTINGS, **(_FAST if fast else {})}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As the owner, who migrates."""
        return self._url(NAME)

    @property
    def application_url(self) -> str:
        """As the application, which runs."""
        return self._url(NAME, role=APPLICATION)

    def start(self, timeout: float = 60) -> None:
        self._end_orphan()
        if not self.data.exists():
            self._initialise()
        self._check_owner()
        self._let_in()
        self.sockets = socket_folder(self.home / "s", longest_name=_SOCKET, owner=self.owner)
        settings = [f"--{key}={value}" for key, value in self.settings.items()]
        with self.log.open("ab") as log:
            self.process = self._run(
                ["postgres", "-D", str(self.data), "-k", str(self.sockets), *settings],
                log.fileno(),
                signal.SIGINT,
            )
        self._wait_until_ready(timeout)
        self._create_database()

    def stop(self, timeout: float = 20) -> None:
        """Fast shutdown: open transactions are rolled back, then a checkpoint."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.send_signal(
                signal.SIGQUIT
            )  # at once; the next start recovers from its log
            self.process.wait(5)

    def _initialise(self) -> None:
        half = (
            self.home / "data.half"
        )  # renamed when complete: a killed initdb leaves no half database behind
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        os.chown(half, self.owner, -1)
        arguments = [
            "-U",
            NAME,
            "-A",
            "peer",
            "-E",
            "UTF8",
            "--locale=C",
            "--data-checksums",
            "--no-sync",
        ]
        with self.log.open("ab") as log:
            process = self._run(
                ["initdb", "-D", str(half), *arguments], log.fileno(), signal.SIGKILL
            )
            if process.wait() != 0:
                raise CannotStart(
                    f"PostgreSQL could not create its database in {self.home}; {tail(self.log)}"
                )
        half.rename(self.data)

    def _check_owner(self) -> None:
        uid = self.data.stat().st_uid
        if uid == self.owner:
            return
        if self.account is None:
            raise CannotStart(
                f"{self.data} belongs to user {uid}: start Watchfloor as that user, or chown it."
            )
        for path in (
            self.data,
            *self.data.rglob("*"),
        ):  # made by a normal user, and root starts it now
            os.chown(path, self.owner, self.account.pw_gid, follow_symlinks=False)

    def _let_in(self) -> None:
        """Only whoever runs Watchfloor may connect: as the owner, or as the application."""
        try:
            us = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            raise CannotStart(
                f"User {os.geteuid()} has no name on this machine, which PostgreSQL needs."
            ) from None
        for file, line in {
            "pg_hba.conf": "local all all peer map=floor",
            "pg_ident.conf": f'floor "{us}" {NAME}\nfloor "{us}" {APPLICATION}',
        }.items():
            path = self.data / file
            path.write_text(f"{line}\n")
            os.chown(path, self.owner, -1)

    def _end_orphan(self) -> None:
        """Wait for a server that outlived its supervisor: we hold the lock, so it is nobody's."""
        pidfile = self.data / "postmaster.pid"
        try:
            lines = pidfile.read_text().splitlines()
            pid = int(lines[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        end = time.monotonic() + 20
        while f"-D {self.data} " in command_line(pid):  # a reused pid is not our server
            if time.monotonic() > end:
                raise CannotStart(
                    f"PostgreSQL process {pid} still uses {self.data} and does not stop: end it."
                )
            os.kill(pid, signal.SIGINT)
            time.sleep(0.05)
        # Killed and not buried by its parent, it would be taken for alive by the next one.
        if is_unburied(pid) and pidfile.exists():
            self._wait_for_its_processes(lines[6:7])
            for folder in lines[4:5]:
                (Path(folder) / f"{_SOCKET}.lock").unlink(missing_ok=True)
            pidfile.unlink(missing_ok=True)

    def _wait_for_its_processes(self, memory: list[str]) -> None:
        """What a killed server started lives a little longer, in its shared memory (`key id`)."""
        end = time.monotonic() + 20
        while any(users_of_memory(segment.split()[-1]) for segment in memory):
            if time.monotonic() > end:
                raise CannotStart(
                    f"Processes of a killed PostgreSQL still use {self.data}: end them."
                )
            time.sleep(0.05)

    def _wait_until_ready(self, timeout: float) -> None:
        assert self.process is not None
        pidfile = self.data / "postmaster.pid"
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise CannotStart(f"PostgreSQL ended while starting; {tail(self.log)}")
            try:
                lines = pidfile.read_text().splitlines()
            except FileNotFoundError:
                lines = []
            # A crash leaves a file behind that says "ready", so the pid has to be ours.
            if len(lines) > 7 and int(lines[0]) == self.process.pid and lines[7].strip() == "ready":
                return
            time.sleep(0.01)
        raise CannotStart(f"PostgreSQL was not ready after {timeout:.0f} seconds; {tail(self.log)}")

    def _create_database(self) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            found = connection.execute("select 1 from pg_database where datname = %s", [NAME])
            if found.fetchone() is None:
                connection.execute(f"create database {NAME}")
            found = connection.execute("select 1 from pg_roles where rolname = %s", [APPLICATION])
            if found.fetchone() is None:
                connection.execute(f"create role {APPLICATION} login noinherit")

    def _url(self, database: str, role: str = NAME) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets), safe='')}"

    def _run(
        self, command: list[str], log: int, on_death: signal.Signals
    ) -> subprocess.Popen[bytes]:
        program, *arguments = command
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return subprocess.Popen(
            [str(self.binaries / program), *arguments],
            user=self.account.pw_uid if self.account else None,
            group=self.account.pw_gid if self.account else None,
            extra_groups=[] if self.account else None,
            preexec_fn=die_with_parent(on_death),
            start_new_session=True,  # the terminal's Ctrl-C reaches the supervisor only
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**environment, "LC_ALL": "C", "TZ": "UTC"},
            cwd="/",
        )
