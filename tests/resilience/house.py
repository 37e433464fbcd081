"""A whole floor of real processes that a test may kill: database, Valkey, web server, worker, beat, agents."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from dashboard.embedded.process import CannotStart, die_with_parent
from dashboard.embedded.runtime import OWNER, PROJECT, Runtime
from dashboard.supervisor.door import listen

EXAMPLES = PROJECT / "sdk" / "examples"
PREPARED = "prepared.json"
"""In a house's folder: what `demo prepare` told, keys among it."""


class House:
    """Processes by name. Whoever kills one starts it again: nothing here does by itself."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.runtime = Runtime(data, {}, fast=True)
        # The socket is ours: while the web server is away, callers wait instead of being refused.
        self.listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.environment: dict[str, str] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, tuple[list[str], Path, dict[str, str]]] = {}

    @classmethod
    def furnish(cls, data: Path) -> None:
        """Lay out what every house begins with, tables and demo: it takes longer than many a story."""
        house = cls(data)
        house._start_servers()
        try:
            house.python("manage.py", "migrate", "--verbosity", "0")
            told = house.python("manage.py", "demo", "prepare", "--json")
            (data / PREPARED).write_text(told)
        finally:
            house.close()

    def open(self) -> None:
        """Start everything, in a furnished folder."""
        self._start_servers()
        self.prepared: dict[str, Any] = json.loads((self.data / PREPARED).read_text())
        celery = ("-m", "celery", "--app", "dashboard.celery", "--quiet")
        self.add(
            "web",
            *("-m", "uvicorn", "dashboard.asgi:application", "--fd", str(self.listener.fileno())),
            *("--no-access-log", "--log-level", "warning", "--lifespan", "on"),
        )
        self.add("worker", *celery, "worker", "--pool", "threads", "--concurrency", "2")
        self.add("beat", *celery, "beat", "--schedule", str(self.data / "beat"))
        for name in ("web", "worker", "beat"):
            self.start(name)
        wait_for(self._answers, "the web server to answer")

    def close(self) -> None:
        for name in list(self._running):
            self.kill(name)
        self.runtime.stop()
        self.listener.close()

    def add(
        self, name: str, *arguments: str, cwd: Path = PROJECT, env: Mapping[str, str] | None = None
    ) -> None:
        self._commands[name] = ([sys.executable, *arguments], cwd, dict(env or {}))

    def add_agent(self, name: str, known_as: str, *arguments: str) -> None:
        """An example agent: it gets the key to its door and none of the floor's secrets."""
        key = next(a["key"] for a in self.prepared["agents"] if a["name"] == known_as)
        env = {"WATCHFLOOR_API_KEY": key, "DATABASE_URL": "", "REDIS_URL": ""}
        self.add(name, *arguments, cwd=EXAMPLES, env=env)

    def start(self, name: str) -> None:
        command, cwd, env = self._commands[name]
        log = (self.data / f"{name}.log").open("ab")
        self._running[name] = subprocess.Popen(
            command,
            cwd=cwd,
            env={**self.environment, **env},
            pass_fds=[self.listener.fileno()] if name == "web" else [],
            preexec_fn=die_with_parent(signal.SIGKILL),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()

    def kill(self, name: str) -> None:
        """SIGKILL: nothing is said, nothing is tidied up."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def restart(self, name: str) -> None:
        self.kill(name)
        self.start(name)

    def keep_what_is_committed(self) -> None:
        """Tests give up durability for speed. From now on the database's death takes nothing, as outside of tests."""
        ((name,),) = self.ask("select current_database()")
        with psycopg.connect(self.runtime.addresses[OWNER], autocommit=True) as connection:
            connection.execute("set synchronous_commit to on")  # what came before is kept, too
            connection.execute(f"alter database {name} set synchronous_commit to on".encode())
        self.restart("web")  # whose connections have it

    def crash_database(self) -> None:
        """SIGKILL to the server, then the same server over what it left."""
        postgres: Any = next(one for one in self.runtime.servers if one.name == "postgres")
        postgres.process.kill()
        postgres.process.wait()
        for _ in range(100):
            try:
                postgres.start()
            except CannotStart:  # its last processes still hold the memory they shared
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the database did not start again")

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def ended(self, name: str) -> int | None:
        """The exit code of a process that ended by itself, None while it runs."""
        return self._running[name].poll()

    def said(self, name: str) -> str:
        return (self.data / f"{name}.log").read_text(errors="replace")

    def python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the floor's own database."""
        with psycopg.connect(self.runtime.addresses["DATABASE_URL"]) as connection:
            return connection.execute(question.encode(), values).fetchall()

    def _start_servers(self) -> None:
        self.runtime.start()
        self.environment = {
            **os.environ,
            **self.runtime.addresses,
            "WATCHFLOOR_DATA": str(self.data),
            "WATCHFLOOR_URL": self.url,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONUNBUFFERED": "1",
        }

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/livez", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def wait_for(
    happens: Callable[[], bool], what: str, *, within: float = 60.0, every: float = 0.05
) -> None:
    """Look until it has happened; fail with `what` when it does not."""
    end = time.monotonic() + within
    while not happens():
        assert time.monotonic() < end, f"waited {within:.0f} s for {what}"
        time.sleep(every)
