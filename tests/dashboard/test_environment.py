"""What stands in the environment, and what is said when it cannot be meant."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.embedded.runtime import PROJECT, Runtime

BAD = [
    ("WATCHFLOOR_INGEST_PROCESSES", "abc"),
    ("WATCHFLOOR_FLEET_SHARE", "x"),
    ("WATCHFLOOR_FLEET_SHARE", "nan"),
    ("WATCHFLOOR_LOG", "LOUD"),
    ("WATCHFLOOR_DB_POOL", "-3"),
    ("WATCHFLOOR_MAIL_URL", "zzz"),
    ("WATCHFLOOR_MAIL_URL", "smtp://a:hidden@host:port?from=a@b"),
    ("DATABASE_URL", "mysql://floor:hidden@db/house"),
    ("REDIS_URL", "foo"),
    ("REDIS_URL", "redis://:hidden@cache:port"),
    ("WATCHFLOOR_URL", "foo"),
]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = ("WATCHFLOOR_URL", "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL")
    kept = {key: value for key, value in os.environ.items() if key not in ours}
    return subprocess.run(
        [sys.executable, *words],
        env={**kept, **environment},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("name", "value"), BAD)
def test_settings_name_the_variable_that_cannot_be_meant(
    name: str, value: str, tmp_path: Path
) -> None:
    code = (
        "from django.core.exceptions import ImproperlyConfigured\n"
        "try: import dashboard.settings\n"
        "except ImproperlyConfigured as wrong: print(wrong)"
    )
    said = run("-c", code, WATCHFLOOR_DATA=str(tmp_path), **{name: value}).stdout

    assert name in said
    assert said.count("\n") == 1
    assert "hidden" not in said


@pytest.mark.parametrize("words", [("manage.py", "check"), ("-m", "dashboard.supervisor")])
def test_a_bad_value_is_one_sentence_at_every_door(words: tuple[str, ...], tmp_path: Path) -> None:
    ended = run(*words, WATCHFLOOR_DATA=str(tmp_path), WATCHFLOOR_LOG="LOUD")

    assert ended.returncode == 1
    assert ended.stderr.startswith("WATCHFLOOR_LOG must be one of DEBUG, ")
    assert ended.stderr.count("\n") == 1


def test_a_port_that_is_no_number_is_one_sentence() -> None:
    ended = run("-m", "dashboard.supervisor", "--port", "²")

    assert ended.returncode == 2
    assert "² is not a port: choose a number from 1 to 65535" in ended.stderr


def test_a_small_pool_is_a_pool(tmp_path: Path) -> None:
    code = "from dashboard.settings import DATABASES as d; print(d['default']['OPTIONS']['pool'])"

    said = run("-c", code, WATCHFLOOR_DATA=str(tmp_path), WATCHFLOOR_DB_POOL="1")

    assert "'min_size': 1, 'max_size': 1" in said.stdout


def test_a_database_that_is_not_there_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        address = f"postgresql://floor:hidden@127.0.0.1:{port}/house"
        ended = run("-m", "dashboard.supervisor", "--port", "0",
                    WATCHFLOOR_DATA=str(tmp_path), DATABASE_URL=address)  # fmt: skip

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"No database answers at 127.0.0.1 port {port} (DATABASE_URL): ")
    assert "hidden" not in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_command_without_a_database_says_how_to_get_one(tmp_path: Path) -> None:
    nowhere = f"postgresql://floor@/house?host={tmp_path}"

    ended = run("manage.py", "team", "list", DATABASE_URL=nowhere)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"No database answers at {tmp_path} (")
    assert ended.stderr.endswith("): start bin/dev, or set DATABASE_URL.\n")
    assert ended.stderr.count("\n") == 1


def test_a_command_makes_no_floor(tmp_path: Path) -> None:
    run("manage.py", "help", WATCHFLOOR_DATA=str(tmp_path / "unknown"))

    assert not (tmp_path / "unknown").exists()


def test_an_argument_that_is_no_text_is_one_sentence() -> None:
    ended = run("manage.py", "team", "group", "caf\udce9", "list")

    assert (ended.returncode, ended.stderr) == (1, "What you wrote is not UTF-8 text.\n")


def test_a_command_in_another_terminal_knows_the_address(tmp_path: Path) -> None:
    Runtime(tmp_path, {"DATABASE_URL": "postgresql://db/house", "REDIS_URL": "redis://cache"}).tell(
        url="http://127.0.0.1:8123"
    )
    code = "from dashboard.settings import WATCHFLOOR_URL; print(WATCHFLOOR_URL)"

    said = run("-c", code, WATCHFLOOR_DATA=str(tmp_path)).stdout

    assert said == "http://127.0.0.1:8123\n"
    assert json.loads((tmp_path / "addresses.json").read_text()) == {
        "WATCHFLOOR_URL": "http://127.0.0.1:8123"
    }
