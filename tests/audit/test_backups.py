"""A backup that is restored: the record in it is checked, and an older one is noticed before anything is signed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from audit import log, sequencing
from audit.transitions import anchoring
from dashboard.embedded import place
from dashboard.embedded.postgres import APPLICATION
from people.models import Role
from people.transitions import person as people
from tests.commands import manage

pytestmark = pytest.mark.django_db(transaction=True)


def url(database: str, role: str = "watchfloor") -> str:
    host = quote(connection.settings_dict["HOST"], safe="")
    return f"postgresql://{role}@/{database}?host={host}"


class House:
    """Another database beside the one of the tests, restored from a backup."""

    def __init__(self, anchors: Path) -> None:
        self.name = f"{connection.settings_dict['NAME']}_restored"
        self.anchors = anchors

    def restore(self, backup: Path) -> None:
        self._again("drop database if exists {}", "create database {}")
        run("pg_restore", "--exit-on-error", "-d", url(self.name), str(backup))

    def drop(self) -> None:
        self._again("drop database if exists {} with (force)")

    def manage(self, *commands: str, role: str = "watchfloor") -> list[tuple[int, str]]:
        environment = {
            "DATABASE_URL": url(self.name, role),
            "WATCHFLOOR_ANCHOR_FILE": str(self.anchors),
        }
        return manage(environment, *commands)

    def _again(self, *statements: str) -> None:
        with psycopg.connect(url("postgres"), autocommit=True) as server:
            for statement in statements:
                server.execute(statement.format(self.name).encode())


def run(program: str, *words: str) -> None:
    home = Path(connection.settings_dict["HOST"]).parent
    done = subprocess.run(
        [str(place.postgres_binaries(home) / program), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def backup(folder: Path, name: str) -> Path:
    """As the guide says: one pg_dump, as the owner."""
    file = folder / name
    run("pg_dump", "--format=custom", f"--file={file}", url(connection.settings_dict["NAME"]))
    return file


@pytest.fixture
def restored(settings: Settings, tmp_path: Path) -> Iterator[House]:
    settings.WATCHFLOOR_ANCHOR_FILE = str(tmp_path / "anchors")
    house = House(tmp_path / "anchors")
    yield house
    house.drop()


def happens(name: str) -> int:
    """Something is recorded and signed, and its checkpoint kept outside; the size of the log."""
    people.create(name, role=Role.LEAD, by="test")
    sequencing.sequence_all()
    return log.size()


def test_backups_are_restored_checked_and_compared_with_what_others_saw(
    restored: House, tmp_path: Path
) -> None:
    happens("anna")
    old = backup(tmp_path, "friday")
    size = happens("berta")
    anchoring.publish(timezone.now())
    new = backup(tmp_path, "monday")

    # The newest backup is the record as it was: it is checked, its role fits, and it goes on.
    restored.restore(new)
    ((code, said),) = restored.manage("record check")
    assert code == 0, said
    (created, _), (sequenced, _), (_, said) = restored.manage(
        "person create carla --role lead --link",
        "record sequence",
        "record status",
        role=APPLICATION,
    )
    assert (created, sequenced) == (0, 0)
    assert "halted   no" in said
    assert "owns nothing of the record" in said

    # An older one is whole in itself, and still noticed: the file has seen more.
    restored.restore(old)
    assert restored.manage("record check")[0][0] == 0
    _, _, (_, said), (code, continued), _ = restored.manage(
        "person create doris --role lead --link",
        "record sequence",
        "record status",
        # Somebody says openly that it goes on.
        "record continue --reason 'Saturday is lost'",
        "record sequence",
        role=APPLICATION,
    )
    assert f"keeps a checkpoint of {size} entries" in said
    assert code == 0, continued
    assert "Not continued:" in continued
    (_, said), (code, _) = restored.manage("record status", "record check")
    assert "halted   no" in said
    assert "it could rewrite the record" in said
    assert code == 0


def test_a_backup_in_which_somebody_changed_a_line_is_found_out(
    restored: House, tmp_path: Path
) -> None:
    happens("anna")
    restored.restore(backup(tmp_path, "friday"))
    with psycopg.connect(url(restored.name), autocommit=True) as opened:
        opened.execute("set session_replication_role = replica")
        opened.execute(
            "update audit_line set actor = 'clock' where id = (select min(id) from audit_line)"
        )

    ((code, said),) = restored.manage("record check")

    assert code == 1
    assert "line" in said
