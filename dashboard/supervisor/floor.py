"""What a floor consists of, and in which order it opens."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
from pathlib import Path
from typing import Any

import psycopg

from dashboard.embedded.process import CannotStart
from dashboard.embedded.runtime import OWNER, PROJECT, Runtime, private_file
from dashboard.owning import AS_OWNER

from . import setup
from .child import Command, Watched
from .keeper import Keeper

_SECRETS = ("DATABASE_URL", OWNER, "REDIS_URL", "CELERY_BROKER_URL", "WATCHFLOOR_SECRET_KEY")
_WORKER = (
    "worker",
    "--pool",
    "threads",
    "--concurrency",
    "4",
    "--without-gossip",
    "--without-mingle",
)


class Floor:
    """One machine's Watchfloor, kept running by `keeper`."""

    def __init__(self, keeper: Keeper, data: Path, listener: socket.socket, *, url: str) -> None:
        self.keeper = keeper
        self.data = data
        self.listener = listener
        self.url = url
        self.runtime = Runtime(data)
        self.environment = {
            **os.environ,
            "WATCHFLOOR_DATA": str(data),
            "WATCHFLOOR_URL": os.environ.get("WATCHFLOOR_URL") or url,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }

    def open(self, *, demo: bool) -> None:
        """Start everything; returns when a browser would get an answer."""
        for server in self.runtime.servers:
            self.keeper.keep(Watched(server))
        self.environment |= self.runtime.addresses
        self.runtime.tell(url=self.environment["WATCHFLOOR_URL"])
        if self.runtime.shelter:
            self.keeper.say(
                f"The database is kept in {self.runtime.shelter}: its account cannot enter {self.data}."
            )
        self._bring_up_to_date()
        self.keeper.keep(Watched(self._web()))
        agents = self._prepare_demo() if demo else []
        self.keeper.keep(
            Watched(self._celery("worker", *_WORKER)), Watched(self._celery("beat", "beat"))
        )
        self.keeper.watch(until=FirstAnswer(self.listener).has_come)
        self.keeper.is_open = True
        self.keeper.say(f"\nWatchfloor is open: {self.url}/")
        self._introduce(demo=demo)
        self.keeper.say(f"Ctrl-C closes it; everything is kept in {self.data}.\n")
        self.keeper.keep(*(Watched(agent, essential=False, may_finish=True) for agent in agents))

    def _bring_up_to_date(self) -> None:
        done = self.data / "prepared"
        now = f"{setup.fingerprint()} {self.environment['DATABASE_URL']}\n"
        embedded = (
            "DATABASE_URL" in self.runtime.addresses
        )  # another database may change without us
        if (
            embedded
            and done.exists()
            and done.read_text() == now
            and (self.data / "static").exists()
        ):
            return
        migrating = self._python("setup", "-m", "dashboard.supervisor.setup")
        migrating.environment = {**self.environment, AS_OWNER: "1"}
        code, output = self.keeper.run(migrating)
        if code:
            raise CannotStart(
                f"The database or the static files could not be brought up to date:\n{_end(output)}"
            )
        private_file(done, now)

    def _web(self) -> Command:
        options = {
            "--fd": str(self.listener.fileno()),
            "--workers": os.environ.get("WATCHFLOOR_WEB_WORKERS", "1"),
            "--timeout-graceful-shutdown": "5",
            "--log-level": "warning",
            "--ws-max-size": "16384",
        }
        words = [word for pair in options.items() for word in pair]
        flags = ["--no-access-log", "--no-server-header", "--lifespan", "on"]
        command = self._python("web", "-m", "uvicorn", "dashboard.asgi:application", *words, *flags)
        command.sockets = (self.listener.fileno(),)
        return command

    def _celery(self, name: str, *words: str) -> Command:
        return self._python(
            name, "-m", "celery", "--app", "dashboard.celery", "--quiet", *words, "-l", "warning"
        )

    def _prepare_demo(self) -> list[Command]:
        code, output = self.keeper.run(
            self._python("demo", "manage.py", "demo", "prepare", "--json")
        )
        if "Unknown command: 'demo'" in output:
            self.keeper.say("There are no example agents here yet.")
            return []
        if code:
            raise CannotStart(
                f"The example agents could not be prepared; --no-demo starts without them:\n{_end(output)}"
            )
        return [self._agent(agent) for agent in self._demo()["agents"]]

    def _agent(self, agent: dict[str, Any]) -> Command:
        """Agents get the key to their own door, and none of ours."""
        ours = {key: value for key, value in self.environment.items() if key not in _SECRETS}
        environment = {
            **ours,
            **agent.get("env", {}),
            "WATCHFLOOR_URL": self.url,
            "WATCHFLOOR_API_KEY": agent["key"],
        }
        return Command(
            agent["name"], agent["command"], environment, Path(agent.get("cwd") or PROJECT)
        )

    def _demo(self) -> dict[str, Any]:
        prepared: dict[str, Any] = json.loads((self.data / "demo.json").read_text())
        return prepared

    def _introduce(self, *, demo: bool) -> None:
        """Say who can sign in; on an empty floor, make someone who can."""
        if demo and (self.data / "demo.json").exists():
            people = self._demo()["people"]
            width = max(len(person["name"]) for person in people)
            for person in people:
                self.keeper.say(
                    f"  {person['name']:<{width}}  {person['password']}  ({person['role']})"
                )
        elif name := self._who_waits_at_the_door():
            self.keeper.say(
                "Nobody has signed in yet. Another link to choose a password: "
                f".venv/bin/python manage.py person link {shlex.quote(name)}"
            )
        elif not self._has_people():
            code, output = self.keeper.run(
                self._python(
                    "admin", "manage.py", "person", "create", "admin", "--role", "admin", "--link"
                )
            )
            self.keeper.say(
                output
                if code == 0
                else "Nobody can sign in yet: `manage.py person create NAME` adds people."
            )

    def _who_waits_at_the_door(self) -> str:
        """The first of those who were added, as long as nobody has ever signed in."""
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            found = connection.execute(
                "select name from people_person where is_active and not exists "
                "(select from people_person where last_login is not null) order by created_at"
            ).fetchone()
        return str(found[0]) if found else ""

    def _has_people(self) -> bool:
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            found = connection.execute("select exists (select from people_person)").fetchone()
        return bool(found and found[0])

    def _python(self, name: str, *arguments: str) -> Command:
        """What runs is not told how to reach the database as its owner."""
        ours = {key: value for key, value in self.environment.items() if key != OWNER}
        return Command(name, [sys.executable, *arguments], ours, PROJECT)


def _end(output: str) -> str:
    return "\n".join(output.splitlines()[-5:])


class FirstAnswer:
    """Asks the web server once, and notices its answer without waiting for it."""

    def __init__(self, listener: socket.socket) -> None:
        host, port, *_ = listener.getsockname()
        self._address = ({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)
        self._connection: socket.socket | None = None

    def has_come(self) -> bool:
        if self._connection is None:
            self._connection = socket.create_connection(self._address, timeout=1)
            self._connection.sendall(
                b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            self._connection.setblocking(False)
        try:
            answer = self._connection.recv(1024)
        except BlockingIOError:
            return False
        except ConnectionError:  # it died before it could answer, and is being started again
            answer = b""
        self._connection.close()
        self._connection = None
        if answer.split(b" ")[1:2] == [b"500"]:
            raise CannotStart("The web server answers with an error: it stands above.")
        return bool(answer)
