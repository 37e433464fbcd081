"""Eight writers, three who would sequence, and kills: whatever happens, the log continues as one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import IO
from urllib.parse import quote

import pytest
from django.db import connection, transaction

from audit import log, sequencing
from audit.check import check
from audit.models import Checkpoint, Entry, Leaf, Line, Log, Pending
from audit.rules import merkle

WRITERS, EACH = 8, 160
SEQUENCERS, KILLS = 3, 9
BATCH = 11


def address_of_database() -> str:
    given = connection.get_connection_params()
    user = quote(str(given.get("user") or ""))
    password = quote(str(given.get("password") or ""))
    host, port = quote(str(given.get("host") or ""), safe=""), given.get("port") or 5432
    return f"postgresql://{user}:{password}@{host}:{port}/{given['dbname']}"


@dataclass
class Nursery:
    orders: IO[str]
    told: IO[str]
    batches: Counter[int] = field(default_factory=Counter)

    def start(self) -> int:
        """One more; returns once it has begun."""
        self.orders.write("another\n")
        self.orders.flush()
        while True:
            child, done = self.heard()
            if done == 0:
                return child

    def heard(self) -> tuple[int, int]:
        child, done = map(int, self.told.readline().split())
        self.batches[child] += bool(done)
        return child, done


@contextmanager
def nursery() -> Iterator[Nursery]:
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.audit.nursery", str(BATCH)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DATABASE_URL": address_of_database()},
        start_new_session=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    try:
        yield Nursery(parent.stdin, parent.stdout)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
        parent.stdin.close()
        parent.stdout.close()


def write(number: int, taken_back: list[int], kept: list[int], enough: threading.Event) -> None:
    """Some in one transaction, some taken back; until it is enough."""
    choose = random.Random(number)
    written = 0
    try:
        while written < EACH or not enough.is_set():
            some = choose.randint(1, 5)
            with transaction.atomic():
                Entry.objects.bulk_create(
                    Entry(kind="test.line", actor=f"writer:{number}", about=str(written + n))
                    for n in range(some)
                )
                if choose.random() < 0.2:
                    transaction.set_rollback(True)
                    taken_back.append(some)
                    continue
            written += some
    finally:
        kept.append(written)
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_killed_sequencers_leave_a_log_that_continues() -> None:
    taken_back: list[int] = []
    kept: list[int] = []
    enough = threading.Event()
    writers = [
        threading.Thread(target=write, args=(number, taken_back, kept, enough))
        for number in range(WRITERS)
    ]
    choose = random.Random(7)
    with nursery() as born:
        alive = [born.start() for _ in range(SEQUENCERS)]
        for writer in writers:
            writer.start()
        for _ in range(KILLS):
            for _ in range(choose.randint(1, 6)):
                child, _ = born.heard()
            while child not in alive:
                child, _ = born.heard()
            os.kill(child, signal.SIGKILL)
            alive.remove(child)
            alive.append(born.start())
        enough.set()
        for writer in writers:
            writer.join()
    assert sum(1 for count in born.batches.values() if count) > SEQUENCERS
    connection.close()  # what was killed lets go of its locks when the server notices
    sequencing.sequence_all()
    while Pending.objects.exists():
        sequencing.sequence_all()

    assert Log.objects.get().halted_at is None
    assert taken_back
    assert Line.objects.count() == sum(kept) >= WRITERS * EACH
    indexes = list(Leaf.objects.order_by("index").values_list("index", flat=True))
    assert indexes == list(range(sum(kept)))
    assert check() == []
    continues_throughout()


def continues_throughout() -> None:
    """Each signed tree continues the one before it, by proofs from tiles."""
    signed = list(Checkpoint.objects.order_by("size"))
    assert len(signed) > KILLS
    for before, after in pairwise(signed):
        path = log.consistency(before.size, after.size)
        merkle.check_consistency(
            before.size, after.size, bytes(before.root), bytes(after.root), path
        )


@pytest.mark.django_db(transaction=True)
def test_who_comes_second_goes_away() -> None:
    Entry.objects.create(kind="test.line", actor="clock", about="x")
    found: list[int] = []

    def other() -> None:
        try:
            found.append(sequencing.sequence())
        finally:
            connection.close()

    with transaction.atomic():
        assert sequencing.sequence() == 1
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    assert found == [0]
    assert log.size() == 1


@pytest.mark.django_db(transaction=True)
def test_what_commits_late_is_sequenced_later() -> None:
    """Numbers are given before the commit: a smaller one may become visible after a larger one has its place."""
    late, early = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                Entry.objects.create(kind="test.line", actor="clock", about="late")
                late.set()
                early.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    late.wait(10)
    Entry.objects.create(kind="test.line", actor="clock", about="early")
    assert sequencing.sequence() == 1
    early.set()
    thread.join()
    assert sequencing.sequence() == 1

    lines = list(Leaf.objects.order_by("index").values_list("line", flat=True))
    assert lines == sorted(lines, reverse=True)
    assert check() == []
