"""A shift at the desk: opens the store, starts batches as runs, and turns them until the work is done."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from watchfloor import Client, Run, RunFinished, Terminated

from .asking import Asker
from .batch import Batch
from .deeds import Deeds
from .desk import Desk, connect
from .directions import Directions
from .graph import Triage
from .ledger import Ledger
from .messages import read
from .model import Model, from_environment
from .standin import NAME
from .tools import SCHEMAS, TOOLS

log = logging.getLogger("triage")


CALM = 30
"""With so many of its holds before people, the demonstration starts no further round."""

REST = 30.0
"""Seconds between two rounds of the demonstration."""

LEAVING = 2.0
"""Seconds a refund may take before `--leave-pending` takes it for one that waits for a person."""

TURN = 0.1
"""Seconds between two looks at the batches."""

PATIENCE = 120.0
"""Seconds an agent outlives a restart of the server."""


class StoreInUse(RuntimeError):
    """Another process works on this store."""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    input: Path
    store: Path
    limit: int | None = None
    workers: int = 1
    pace: float = 0.0
    run_key: str = ""
    seed: int = 77
    loop_on: frozenset[str] = frozenset()
    refund_over: Decimal = Decimal(50)
    leave_pending: bool = False
    forever: bool = False


class Shift:
    """One process at one store."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._messages = read(options.input)[: options.limit]
        self._alone = _lock(options.store)
        database, lock = connect(options.store), threading.Lock()
        self._desk = Desk(database, lock)
        self._ledger = Ledger(database, lock)
        self._clock = threading.Event()

    def work(self) -> None:
        with Client(patience=PATIENCE, buffer_path=f"{self._options.store}.outbox") as client:
            if client.agent().get("state") == "retired":
                raise Terminated("this agent is retired")
            if self._options.forever:
                self._rounds(client)
            else:
                self._one(client)

    def _one(self, client: Client) -> None:
        name = self._options.run_key or _digest(self._options.input, self._options.limit)
        self._ledger.take_in(name, self._messages)
        if self._ledger.note(f"{name}:done") and not {"open", "waiting"} & {
            *self._ledger.counts(name)
        }:
            log.info("Done before: %s", self._ledger.counts(name))
            return
        batch = self._open(client, name)
        patience = LEAVING
        while not (batch.is_done or batch.is_ended):
            batch.turn()
            patience = patience - TURN if batch.only_waits else LEAVING
            if self._options.leave_pending and patience <= 0:
                log.info("What is left waits for people: %s", batch.counts)
                return
            self._clock.wait(TURN)
        batch.close()
        self._ledger.keep(f"{name}:done", True)
        log.info("Done: %s", batch.counts)

    def _rounds(self, client: Client) -> None:
        """Read the file again and again, each time as new messages, while people keep up."""
        batches = [self._open(client, name) for name in self._ledger.unfinished()]
        rest = 0.0
        while True:
            for batch in batches:
                batch.turn()
                if batch.is_done or batch.is_ended:
                    batch.close()
            batches = [batch for batch in batches if not batch.is_closed]
            rest = max(0.0, rest - TURN) if all(batch.only_waits for batch in batches) else REST
            if not rest and self._ledger.before_people() < CALM:
                batches.append(self._open(client, self._next_round()))
                rest = REST
            self._clock.wait(TURN)

    def _next_round(self) -> str:
        number = int(self._ledger.note("round", 0)) + 1
        fresh = [replace(each, id=f"r{number}.{each.id}") for each in self._messages]
        self._ledger.take_in(f"round {number}", fresh)
        self._ledger.keep("round", number)
        return f"round {number}"

    def _open(self, client: Client, name: str) -> Batch:
        model = from_environment(seed=self._options.seed, loop_on=self._options.loop_on)
        run = self._begin(client, name, model)
        directions = Directions(self._ledger, name)
        deeds = Deeds(run, self._desk, refund_over=self._options.refund_over)
        asker = Asker(run, model, directions.instructions)
        triage = Triage(self._ledger, directions, asker, deeds)
        batch = Batch(name, run, self._ledger, directions, triage)
        batch.start(workers=self._options.workers, pace=self._options.pace)
        return batch

    def _begin(self, client: Client, name: str, model: Model) -> Run:
        """The run of this batch: the one that was interrupted, or one more when it was ended."""
        version = f"example with {model.name}"
        client.register_version(version, tools=TOOLS, model=model.name, schemas=SCHEMAS)
        metadata = {
            "model": model.name,
            "stand_in": model.name == NAME,
            "input": self._options.input.name,
            "batch": name,
        }
        while True:
            number = int(self._ledger.note(f"{name}:run", 1))
            key = f"{name}#{number}"
            run = client.run(f"Triage, {name}", key=key, version=version, metadata=metadata)
            try:
                return run.__enter__()
            except (RunFinished, Terminated) as over:
                log.info("%s: %s; what is left goes into another run", key, over)
                self._ledger.keep(f"{name}:run", number + 1)


def _lock(store: Path) -> int:
    """Held until this process ends, however it ends: two agents on one store would undo each other."""
    store.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(store.with_name(f"{store.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreInUse(f"another process works on {store}") from None
    return handle


def _digest(path: Path, limit: int | None) -> str:
    """The same file is the same work, wherever it lies."""
    content = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return f"{path.stem[:40]} {content}" + (f" first {limit}" if limit else "")
