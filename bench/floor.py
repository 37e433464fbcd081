"""A floor to measure: embedded servers (fsync on), migrated, one web process, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from dashboard.embedded.postgres import APPLICATION
from dashboard.embedded.runtime import OWNER, PROJECT, Runtime


@dataclass
class Floor:
    url: str
    port: int
    pid: int

    @property
    def memory_mb(self) -> float:
        """Resident memory of the web process."""
        return self._status("VmRSS") / 1024

    @property
    def threads(self) -> int:
        return self._status("Threads")

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split(f"{name}:")[1].split()[0])


@contextmanager
def opened() -> Iterator[Floor]:
    """Start what is needed, set Django up in this process, and take all of it away again."""
    folder = Path(tempfile.mkdtemp(prefix="watchfloor-bench-"))
    folder.chmod(0o711)
    runtime = Runtime(folder)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    os.environ.update(
        WATCHFLOOR_DATA=str(folder),
        WATCHFLOOR_URL=url,
        DJANGO_SETTINGS_MODULE="dashboard.settings",
    )
    web: subprocess.Popen[bytes] | None = None
    try:
        runtime.start()
        os.environ.update(runtime.addresses)
        manage("migrate", "-v", "0")
        let_vacuum(runtime.addresses[OWNER])
        manage("createcachetable")
        manage("collectstatic", "--noinput", "-v", "0")
        web = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "dashboard.asgi:application"),
                *("--host", "127.0.0.1", "--port", str(port), "--no-access-log"),
                *("--log-level", "warning", "--timeout-graceful-shutdown", "2"),
            ],
            cwd=PROJECT,
        )
        wait_for(url, web)
        import django

        django.setup()
        yield Floor(url, port, web.pid)
    finally:
        if web is not None:
            web.terminate()
            web.wait(20)
        runtime.stop()
        shutil.rmtree(folder, ignore_errors=True)


def let_vacuum(owner: str) -> None:
    """What is measured runs as the application, as in production; only that it may vacuum is our own."""
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"grant pg_maintain to {APPLICATION} with inherit true")


def manage(*command: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", *command], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL
    )


def wait_for(url: str, web: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if web.poll() is not None:
            raise SystemExit("The web server did not start; it says why above.")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise SystemExit("The web server was not ready within a minute.")


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
