"""The embedded servers, really started, stopped and killed."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from dashboard.embedded import place
from dashboard.embedded.postgres import EmbeddedPostgres
from dashboard.embedded.process import CannotStart, socket_folder
from dashboard.embedded.runtime import Runtime, data_folder, lay, prepare, private_file
from dashboard.embedded.valkey import EmbeddedValkey


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A folder that PostgreSQL's account can reach, which pytest's own temporary folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="wf-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def test_what_was_committed_survives_a_kill(data: Path) -> None:
    postgres = EmbeddedPostgres(data)
    postgres.start()
    with psycopg.connect(postgres.url) as connection:
        connection.execute("create table kept (word text)")
        connection.execute("insert into kept values ('here')")
    assert postgres.process
    os.kill(postgres.process.pid, signal.SIGKILL)
    postgres.process.wait()

    postgres = EmbeddedPostgres(data)
    postgres.start()

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("select word from kept").fetchall() == [("here",)]
    postgres.stop()
    assert postgres.process
    assert postgres.process.poll() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_killed_server_that_nobody_has_buried_yet_does_not_hinder_the_next(data: Path) -> None:
    dead = EmbeddedPostgres(data)
    dead.start()
    assert dead.process
    os.kill(dead.process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, dead.process.pid, os.WEXITED | os.WNOWAIT)

    postgres = EmbeddedPostgres(data)
    postgres.start()

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    postgres.stop()
    dead.process.wait()


def test_a_server_that_cannot_start_says_where_its_log_is(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = EmbeddedPostgres(data)
    postgres.settings["max_connections"] = "none"
    valkey = EmbeddedValkey(data)
    monkeypatch.setenv("WATCHFLOOR_VALKEY", "/bin/false")

    with pytest.raises(CannotStart, match=rf"ended while starting.*{postgres.log}"):
        postgres.start()
    with pytest.raises(CannotStart, match=rf"ended while starting.*{valkey.log}"):
        valkey.start()


def test_a_server_that_outlived_its_supervisor_is_ended_first(data: Path) -> None:
    orphan = EmbeddedPostgres(data)
    orphan.start()
    orphan_valkey = EmbeddedValkey(data)
    orphan_valkey.start()

    runtime = Runtime(data, {})
    runtime.start()

    assert orphan.process
    assert orphan_valkey.process
    assert orphan.process.wait(5) == 0
    assert orphan_valkey.process.wait(5) == 0
    with psycopg.connect(runtime.addresses["DATABASE_URL"]) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    with redis.Redis.from_url(runtime.addresses["REDIS_URL"]) as client:
        assert client.ping()
    runtime.stop()


def test_only_what_the_environment_does_not_name_is_started(tmp_path: Path) -> None:
    named = {"DATABASE_URL": "postgresql://db/house", "REDIS_URL": "redis://cache"}

    assert Runtime(tmp_path, named).servers == []
    assert [s.name for s in Runtime(tmp_path, {"DATABASE_URL": "postgresql://db"}).servers] == [
        "valkey"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another account")
def test_below_a_private_home_the_database_is_kept_elsewhere(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "_SHELTER", data)
    tmp_path.chmod(0o700)

    home = place.postgres_home(tmp_path)

    assert home.parent == data
    assert place.postgres_home(tmp_path) == home, "the next start finds it again"
    assert place.postgres_home(tmp_path / "..") != home


def test_an_old_folder_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    lay(tmp_path)
    prepare(tmp_path)

    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    prepare(tmp_path / "deep/down")

    assert (tmp_path / "deep/down").stat().st_mode & 0o066 == 0


def test_a_folder_that_cannot_be_written_gives_one_sentence() -> None:
    with pytest.raises(
        CannotStart, match=r"Cannot write to /proc/floor: .*Set WATCHFLOOR_DATA"
    ) as e:
        prepare(Path("/proc/floor"))

    assert "\n" not in str(e.value)


def test_a_full_disk_gives_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil._ntuple_diskusage(100, 99, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)

    with pytest.raises(CannotStart, match="Only 0 MB are free"):
        prepare(tmp_path)


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)

    short = socket_folder(deep, longest_name=".s.PGSQL.5432", owner=os.geteuid())

    assert len(str(short)) < 60
    assert short.stat().st_mode & 0o777 == 0o700
    short.rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").symlink_to("/tmp")

    with pytest.raises(CannotStart, match="belongs to someone else: remove it, or start") as e:
        socket_folder(tmp_path / "s", longest_name="x", owner=os.geteuid())

    assert "shorter" not in str(e.value)


def test_private_files_are_private_and_whole(tmp_path: Path) -> None:
    private_file(tmp_path / "key", "word")

    assert (tmp_path / "key").read_text() == "word"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_data_can_be_kept_elsewhere() -> None:
    assert data_folder({"WATCHFLOOR_DATA": "/srv/floor"}) == Path("/srv/floor")
    assert data_folder({}).name == ".watchfloor"
