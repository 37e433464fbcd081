"""A whole floor, started as `bin/dev` starts it, and treated badly."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from threading import Thread

import httpx
import pytest

from dashboard.embedded.process import CannotStart, command_line
from dashboard.embedded.runtime import PROJECT
from dashboard.supervisor.door import Lock, listen

_NOT_OURS = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "WATCHFLOOR_BELL")


class Running:
    """`bin/dev` in the background; its output can be waited for."""

    def __init__(self, data: Path, *options: str) -> None:
        kept = {key: value for key, value in os.environ.items() if key not in _NOT_OURS}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dashboard.supervisor", "--port", "0", "--no-demo", *options],
            env={**kept, "WATCHFLOOR_DATA": str(data)},
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)
        self.process.stdout.close()
        self._lines.put("")

    def hear(self, words: str, seconds: float = 60) -> str:
        """Wait for a line with these words."""
        heard = []
        end = time.monotonic() + seconds
        while line := self._lines.get(timeout=max(0.1, end - time.monotonic())):
            heard.append(line)
            if words in line:
                return line
        raise AssertionError(f"never said {words!r}, but:\n{''.join(heard)}")

    def open(self) -> str:
        return self.hear("Watchfloor is open: ").split(": ")[1].strip()

    def children(self) -> dict[str, int]:
        """Process ids by a word of their command."""
        words = {
            "web": "uvicorn",
            "worker": " worker ",
            "beat": " beat ",
            "postgres": "postgres -D",
        }
        found = {}
        for pid in (
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ):
            for name, word in words.items():
                if word in command_line(int(pid)):
                    found[name] = int(pid)
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGTERM)
        self._reader.join()

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join()
        return code


Start = Callable[..., Running]


@pytest.fixture
def start(data: Path) -> Iterator[Start]:
    with ExitStack() as running:

        def _start(*options: str) -> Running:
            floor = Running(data, *options)
            running.callback(floor.close)
            return floor

        yield _start


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="wf-"))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_floor_opens_mends_itself_closes_and_opens_again(start: Start, data: Path) -> None:
    floor = start()
    url = floor.open()
    assert httpx.get(f"{url}livez").json() == {"status": "ok"}
    assert httpx.get(f"{url}readyz").json()["status"] == "ok"

    # Another one in the same folder is refused, by name.
    other = start()
    assert f"as process {floor.process.pid}" in other.hear("already running")
    assert other.process.wait(10) == 1

    # A killed web server and worker come back; nobody is turned away meanwhile.
    before = floor.children()
    os.kill(before["web"], signal.SIGKILL)
    os.kill(before["worker"], signal.SIGKILL)
    assert httpx.get(f"{url}livez", timeout=30).status_code == 200
    floor.hear("worker was killed (SIGKILL): starting it again.")
    after = floor.children()
    assert after["web"] != before["web"]
    assert after["postgres"] == before["postgres"]

    # A killed supervisor takes everything with it, and leaves nothing that hinders the next one.
    floor.end(signal.SIGKILL)
    floor = start("--port", url.rsplit(":", 1)[1].strip("/"))
    assert floor.open() == url
    floor.hear("Nobody has signed in yet. Another link to choose a password: ")
    everyone = floor.children()
    assert floor.end(signal.SIGINT) == 0
    assert len(everyone) == 4
    assert [name for name, pid in everyone.items() if command_line(pid)] == []

    # All that is kept is kept to ourselves.
    for path in data.iterdir():
        if not path.is_symlink():
            assert path.stat().st_mode & 0o066 == 0, path


def test_a_busy_port_gives_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        floor = start("--port", str(port))

        said = floor.hear("Port")

    assert said == f"Port {port} is in use by another program: choose another one with --port.\n"
    assert floor.process.wait(10) == 1


def test_a_killed_floor_leaves_its_lock_free_but_tells(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4242")

    lock = Lock(tmp_path)

    assert lock.found_open
    lock.release()
    clean = Lock(tmp_path)
    assert not clean.found_open
    with pytest.raises(CannotStart, match=f"as process {os.getpid()}"):
        Lock(tmp_path)
    clean.release()


def test_a_host_that_is_not_ours_gives_one_sentence() -> None:
    with pytest.raises(CannotStart, match=r"Cannot listen on 192\.0\.2\.1 port 1"):
        listen("192.0.2.1", 1)
