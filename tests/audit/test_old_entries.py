"""A house that is older than its log: what was recorded there is moved, hashed and found again."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from tests.audit.test_sequencing_races import address_of_database
from tests.commands import manage

pytestmark = pytest.mark.django_db

OLD = """
insert into people_person (id, name, email, password, time_zone, is_active, created_at)
values ('00000000-0000-7000-8000-00000000000a', 'ada', '', 'x', 'UTC', true, now());
insert into audit_entry (at, kind, actor, about, team, agent, run, summary, data) values
    ('2026-09-30 23:59:59.5+00', 'hold.approved', 'person:ada', 'reviews.hold:x', 't', '', '', 'yes "ü"', '{"a": 1}'),
    ('2026-10-01 00:00:00+00', 'person.created', 'person:gone', 'person:ada', '', '', '', 's', '{}'),
    (now(), 'run.started', 'clock', 'agents.run:x', '', '', '', '', '{"n": null}');
"""
ADA = "person:00000000-0000-7000-8000-00000000000a"
NOBODY = "person:00000000-0000-0000-0000-000000000000"


@pytest.fixture
def old(db: None) -> Iterator[str]:
    """The address of an empty database beside this test's."""
    here = address_of_database()
    name = f"{connection.settings_dict['NAME']}_old"
    with psycopg.connect(here, autocommit=True) as server:
        server.execute(f'drop database if exists "{name}" with (force)'.encode())
        server.execute(f'create database "{name}"'.encode())
    yield f"{here.rpartition('/')[0]}/{name}"
    with psycopg.connect(here, autocommit=True) as server:
        server.execute(f'drop database "{name}" with (force)'.encode())


def run(database: str, *commands: str) -> list[str]:
    told = manage({"DATABASE_URL": database, "WATCHFLOOR_OWNER_DATABASE_URL": database}, *commands)
    assert all(code == 0 for code, _ in told), told
    return [said for _, said in told]


def test_old_entries_become_lines_of_the_log(old: str) -> None:
    run(old, "migrate audit 0002 -v 0", "migrate people 0003 -v 0", "migrate reviews 0004 -v 0")
    with psycopg.connect(old, autocommit=True) as house:
        house.execute(OLD.encode())

    run(old, "migrate -v 0")

    with psycopg.connect(old) as house:
        found = house.execute(
            "select version, actor, about, summary, data from audit_entry order by id"
        ).fetchall()
        parts = house.execute("select tableoid::regclass::text from audit_payload").fetchall()
    assert found == [
        (0, ADA, "reviews.hold:x", 'yes "ü"', {"a": 1}),
        (0, NOBODY, ADA, "s", {"actor_name": "person:gone"}),
        (0, "clock", "agents.run:x", "", {"n": None}),
    ]
    assert {"audit_payload_2026_09", "audit_payload_2026_10"} <= {name for (name,) in parts}
    assert run(old, "record sequence", "record check") == [
        "3 sequenced.\n",
        "Nothing is wrong with 3 leaves.\n",
    ]
