"""The log as programs read it: who may, what they get, and that it makes the tree that was signed."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from audit import log, sequencing
from audit.models import Entry, Leaf
from audit.rules import merkle, notes
from people.models import Person
from people.transitions import token as tokens

pytestmark = pytest.mark.django_db


@pytest.fixture
def written() -> None:
    Entry.objects.bulk_create(Entry(kind="test.line", actor="clock", about="x") for _ in range(300))
    sequencing.sequence()


@pytest.fixture
def client(iris: Person) -> Client:
    found = Client()
    found.force_login(iris)
    return found


def test_whoever_reads_the_whole_record_reads_the_log(
    written: None, iris: Person, ada: Person
) -> None:
    secrets = [
        tokens.issue(person, label="log", scopes=["read"], days=7, by=person)[1]
        for person in (iris, ada)
    ]

    answers = [
        Client(headers={"Authorization": f"Bearer {secret}"}).get("/record/log/checkpoint")
        for secret in (*secrets, "wfp_nonsense", "")
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 404, 404]


def test_tiles_make_the_tree_that_was_signed(written: None, client: Client) -> None:
    note = client.get("/record/log/checkpoint").content.decode()
    said = notes.parse_checkpoint(notes.opened(note, notes.verifier(log.vkey())).text)

    width = said.size % 256
    hashes = client.get("/record/log/tile/0/000").content
    hashes += client.get(f"/record/log/tile/0/001.p/{width}").content
    entries = client.get("/record/log/tile/entries/000").content
    entries += client.get(f"/record/log/tile/entries/001.p/{width}").content

    leaves = []
    while entries:
        length = int.from_bytes(entries[:2])
        leaves.append(entries[2 : 2 + length])
        entries = entries[2 + length :]
    assert b"".join(map(merkle.leaf_hash, leaves)) == hashes
    assert merkle.root_of([hashes[i : i + 32] for i in range(0, len(hashes), 32)]) == said.root
    assert [leaf.decode() for leaf in leaves] == list(
        Leaf.objects.order_by("index").values_list("data", flat=True)
    )
    first = client.get("/record/log/tile/1/000.p/1").content
    assert first == merkle.root_of([hashes[i : i + 32] for i in range(0, 8192, 32)])


@pytest.mark.parametrize(
    "path", ["0/001", "0/002.p/1", "1/000", "entries/001", "0/1", "x", "9/000", "0/001.p/200"]
)
def test_what_is_not_there_is_not_found(written: None, client: Client, path: str) -> None:
    assert client.get(f"/record/log/tile/{path}").status_code == 404


def test_a_tile_never_changes(written: None, client: Client) -> None:
    assert "immutable" in client.get("/record/log/tile/0/000")["Cache-Control"]
    assert "immutable" not in client.get("/record/log/checkpoint")["Cache-Control"]


def test_the_key_is_told_to_all_where_the_house_wants_it(written: None, settings: Any) -> None:
    assert Client().get("/.well-known/watchfloor-log").status_code == 404

    settings.WATCHFLOOR_LOG_PUBLIC = True
    told = Client().get("/.well-known/watchfloor-log").json()

    assert told["vkey"] == log.vkey()
    notes.opened(told["checkpoint"], notes.verifier(told["vkey"]))
    assert told["keys"][0]["vkey"] == told["vkey"]
