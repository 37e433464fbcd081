"""Lines get their place: dense, in order, signed; and the tree only ever grows from what was signed."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from audit import keys, log, sequencing
from audit.errors import NotFound
from audit.models import Checkpoint, Entry, Leaf, Log, LogKey, Payload, Pending, Tile
from audit.rules import lines, merkle, notes, tiles
from audit.rules.lines import Hashed

pytestmark = pytest.mark.django_db


def write(count: int, **fields: Any) -> None:
    given = {
        "kind": "test.line",
        "actor": "clock",
        "about": "nothing",
        "summary": "a line",
        **fields,
    }
    Entry.objects.bulk_create(Entry(**given) for _ in range(count))


def rewritten(statement: str) -> None:
    """What somebody does who owns the database."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("set local session_replication_role = origin")


def test_lines_get_their_places() -> None:
    write(3)

    assert log.lag()[0] == 3
    assert sequencing.sequence() == 3
    assert sequencing.sequence() == 0

    leaves = list(Leaf.objects.order_by("index"))
    assert [leaf.index for leaf in leaves] == [0, 1, 2]
    assert [leaf.line for leaf in leaves] == list(
        Entry.objects.order_by("id").values_list("id", flat=True)
    )
    assert not Pending.objects.exists()
    assert log.lag() == (0, None)
    last = log.latest()
    assert last is not None
    assert bytes(last.root) == merkle.root_of([bytes(leaf.hash) for leaf in leaves])


def test_a_checkpoint_says_what_it_is_and_is_signed() -> None:
    write(5)
    sequencing.sequence()

    last = Checkpoint.objects.get()
    note = notes.opened(last.note, notes.verifier(log.vkey()))
    assert notes.parse_checkpoint(note.text) == (log.origin(), 5, bytes(last.root))
    assert log.origin() == "127.0.0.1:8000/record"


def test_batches_make_the_same_tree_as_one() -> None:
    write(700)

    for limit in (1, 2, 253, 3, 400, 500):
        sequencing.sequence(limit)

    hashes = [bytes(leaf.hash) for leaf in Leaf.objects.order_by("index")]
    assert len(hashes) == 700
    for checkpoint in Checkpoint.objects.all():
        assert bytes(checkpoint.root) == merkle.root_of(hashes[: checkpoint.size])
    tile = {(t.level, t.index): bytes(t.hashes) for t in Tile.objects.all()}
    assert b"".join(tile[0, n] for n in range(3)) == b"".join(hashes)
    assert tile[1, 0] == b"".join(merkle.root_of(hashes[n : n + 256]) for n in (0, 256))


@pytest.mark.parametrize(
    "text", ["plain", 'ü \u2028 \x7f \x01 \t\n " \\ / \U0001f600', "</script>"]
)
def test_postgresql_and_python_write_the_same_leaf(text: str) -> None:
    write(1, actor=text, about=text, kind=f"test.{text}"[:60])
    sequencing.sequence()

    entry, payload, leaf = Entry.objects.get(), Payload.objects.get(), Leaf.objects.get()
    line = Hashed(
        *(entry.id, entry.at, entry.kind, entry.version, entry.actor, entry.about),
        *(entry.team, entry.agent, entry.run),
    )
    assert leaf.data == lines.canonical(line, lines.commitment(payload.salt, payload.body))
    assert bytes(leaf.hash) == merkle.leaf_hash(leaf.data.encode())


def test_proofs_are_made_from_tiles() -> None:
    write(600)
    sequencing.sequence(300)
    sequencing.sequence()
    leaves = [bytes(leaf.hash) for leaf in Leaf.objects.order_by("index")]
    roots = {c.size: bytes(c.root) for c in Checkpoint.objects.all()}

    for size in (300, 600):
        for index in (0, 1, 255, 256, 299):
            path = log.proof(index, size)
            assert merkle.root_from_inclusion(index, size, leaves[index], path) == roots[size]
    merkle.check_consistency(300, 600, roots[300], roots[600], log.consistency(300, 600))
    chosen = random.Random(1).sample(range(600), 40)
    runs, hashes = log.multi_proof(chosen, 600)
    found = merkle.root_from_multi(600, runs, [leaves[n] for n in sorted(chosen)], hashes)
    assert found == roots[600]
    assert log.root(417) == merkle.root_of(leaves[:417])


def test_a_proof_stands_for_itself() -> None:
    write(3)
    sequencing.sequence()

    first, index, *rest = log.proof_text(1).split("\n")
    assert (first, index) == ("c2sp.org/tlog-proof@v1", "index 1")
    assert rest[2] == ""
    notes.opened("\n".join(rest[3:]), notes.verifier(log.vkey()))


def test_what_is_not_there_is_not_proved() -> None:
    write(2)
    sequencing.sequence()

    for asked, numbers in ((log.proof, (2, 2)), (log.proof, (0, 3)), (log.consistency, (2, 1))):
        with pytest.raises(NotFound):
            asked(*numbers)


def test_a_payload_that_is_gone_before_leaves_its_place() -> None:
    write(1)
    rewritten("delete from audit_payload")

    assert sequencing.sequence() == 1
    assert '"payload":""' in Leaf.objects.get().data


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_leaf set data = ''",
        "delete from audit_leaf",
        "delete from audit_tile",
        "update audit_tile set hashes = sha256('x')",
        "update audit_tile set hashes = ''",
        "update audit_checkpoint set note = ''",
        "delete from audit_checkpoint",
        "delete from audit_logkey",
        "update audit_logkey set public = ''",
        "delete from audit_log",
        "update audit_log set origin = 'other'",
    ],
)
def test_the_log_cannot_be_rewritten(statement: str) -> None:
    write(2)
    sequencing.sequence()

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("delete from audit_leaf where index = 2", "There are 2 leaves, but 3 were signed."),
        ("update audit_tile set hashes = substr(hashes, 1, 64)", "Tile 0/0 does not hold"),
        ("update audit_tile set hashes = sha256('x') || substr(hashes, 33)", "another tree"),
        ("delete from audit_checkpoint", "There are 3 leaves, but 0 were signed."),
    ],
)
def test_another_tree_than_the_signed_one_does_not_grow(statement: str, why: str) -> None:
    write(3)
    sequencing.sequence()
    rewritten(statement)
    write(1)

    assert sequencing.sequence() == 0

    halted = Log.objects.get()
    assert halted.halted_at is not None
    assert why in halted.halted_reason
    assert log.lag()[0] == 1
    assert sequencing.sequence() == 0


def test_whoever_knows_better_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []

    def refusal(size: int, root: bytes) -> str:
        heard.append(size)
        return "The anchor knows another tree." if size else ""

    monkeypatch.setattr(sequencing, "refusals", [refusal])
    write(1)
    assert sequencing.sequence() == 1
    write(1)
    assert sequencing.sequence() == 0
    assert heard == [0, 1]
    assert Log.objects.get().halted_reason == "The anchor knows another tree."


# -- keys ------------------------------------------------------------------------------------------


def test_the_logs_name_stays(settings: Any) -> None:
    settings.WATCHFLOOR_LOG_ORIGIN = "watch.example.com/audit"
    assert log.origin() == "watch.example.com/audit"

    settings.WATCHFLOOR_LOG_ORIGIN = "other.example.com"

    assert log.origin() == "watch.example.com/audit"
    assert log.vkey().startswith("watch.example.com/audit+")


def test_keys_rotate() -> None:
    write(1)
    sequencing.sequence()
    old = log.vkey()

    keys.rotate(by="command")
    new = log.vkey()
    sequencing.sequence()
    write(1)
    sequencing.sequence()

    first, second, third = (c.note for c in Checkpoint.objects.order_by("size"))
    assert new != old
    verifiers = notes.verifier(old), notes.verifier(new)
    signed = [
        [notes.is_signed_by(notes.parse(n), v) for v in verifiers] for n in (first, second, third)
    ]
    assert signed == [[True, False], [True, True], [False, True]]
    entry = Entry.objects.get(kind="log.key_rotated")
    assert (entry.data["before"], entry.data["after"]) == ({"vkey": old}, {"vkey": new})
    was, now = log.keys()
    assert (was.vkey, was.is_retired, was.rotation) == (old, True, "")
    assert (now.vkey, now.is_retired, now.from_size) == (new, False, 1)
    vouched = notes.opened(now.rotation, notes.verifier(old))
    assert vouched.text == f"watchfloor-key-rotation/1\n{log.origin()}\n{new}\n"
    assert LogKey.objects.get(retired_at__isnull=False).sealed == ""


def test_seals_follow_the_secret_key(settings: Any) -> None:
    write(1)
    sequencing.sequence()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one, and long enough to be taken for real"

    keys.renew_seals()

    settings.SECRET_KEY_FALLBACKS = []
    write(1)
    assert sequencing.sequence() == 1


# -- edges and addresses of tiles ------------------------------------------------------------------


@given(st.lists(st.integers(0, 700), max_size=6))
def test_an_edge_grows_as_the_tree_does(parts: list[int]) -> None:
    kept: dict[tuple[int, int], bytes] = {}
    leaves: list[bytes] = []
    for part in parts:
        begun = {level: kept[level, index] for level, index, _ in tiles.partial(len(leaves))}
        edge = tiles.Edge(len(leaves), begun)
        new = [merkle.leaf_hash(str(len(leaves) + n).encode()) for n in range(part)]
        for key, value in edge.append(new).items():
            assert value.startswith(kept.get(key, b""))
            kept[key] = value
        leaves += new
        assert edge.root == merkle.root_of(leaves)
    for level, index, width in tiles.partial(len(leaves)):
        assert len(kept[level, index]) == width * 32


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("0/000", (0, 0, 256)),
        ("0/x001/x234/067", (0, 1234067, 256)),
        ("1/x001/000.p/17", (1, 1000, 17)),
        ("entries/005.p/255", (None, 5, 255)),
        ("0/5", None),
        ("0/x000/005", None),
        ("00/005", None),
        ("0/005.p/0", None),
        ("0/005.p/256", None),
        ("0/005.p/017", None),
        ("64/000", None),
        ("0/../../etc", None),
        ("", None),
    ],
)
def test_addresses_of_tiles(path: str, wanted: Any) -> None:
    assert tiles.address(path) == wanted
