"""One file of messages as one run: workers in threads, refunds waited for beside them, people obeyed.

Nothing in memory is needed to find the way back: the ledger knows every message, the server every action.
Started again with the same key after a crash, the run goes on where it was.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count

from watchfloor import Run, RunFinished, Stopped, Unreachable, WatchfloorError

from .directions import Directions
from .graph import Triage
from .ledger import Ledger
from .pauses import Pauses

log = logging.getLogger("triage")

SAVED_EVERY = 5.0
"""Seconds between two checkpoints: they are for people to see, the ledger is what counts."""

MOST_WAITING = 200
"""Refunds waited for at once: each takes a thread and a connection. More wait for their turn."""


class Batch:
    """The messages of one run on their way. `turn` is called again and again by one thread."""

    def __init__(
        self, name: str, run: Run, ledger: Ledger, directions: Directions, triage: Triage
    ) -> None:
        self.name = name
        self.run = run
        self.is_closed = False
        self._ledger = ledger
        self._directions = directions
        self._triage = triage
        self._pauses = Pauses(run)
        self._todo: queue.PriorityQueue[tuple[int, int, str]] = queue.PriorityQueue()
        self._numbers = count()
        self._taken: set[str] = set()
        self._awaited: set[str] = set()
        self._lock = threading.Lock()
        self._wrongs: Counter[str] = Counter()
        self._ended = threading.Event()
        self._look_at = self._save_at = 0.0
        self._is_fed = False

    def start(self, *, workers: int = 1, pace: float = 0.0) -> None:
        """Set to work on the messages that are not at their end."""
        self.run.on_directive(self._directions.apply)
        self._spawn(self._obey)
        for _ in range(workers):
            self._spawn(partial(self._work, pace))

    def turn(self) -> None:
        """Look what can be worked on, tell how far it is. Never waits for a person."""
        self._pauses.look()
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + 1.0
            self._look()
        if now >= self._save_at and self.run.stop is None:
            self._save_at = now + SAVED_EVERY
            said = list(self._directions.instructions())
            self._attempt(lambda: self.run.save({"counts": self.counts, "instructions": said}))

    def close(self) -> None:
        """The run is complete, unless a person ended it."""
        self.is_closed = True
        self._ended.set()
        self.run.output = self.counts
        self.run.__exit__(None, None, None)

    @property
    def is_ended(self) -> bool:
        """A person ended the run; what is left over is for another one."""
        return self._ended.is_set()

    @property
    def only_waits(self) -> bool:
        """Whatever is not at its end is a refund before a person."""
        return not self._taken and "open" not in self.counts

    @property
    def is_done(self) -> bool:
        return self.only_waits and "waiting" not in self.counts

    @property
    def counts(self) -> dict[str, int]:
        return self._ledger.counts(self.name)

    def _look(self) -> None:
        """Take what is new or sent back, and wait for people about refunds."""
        for message_id, waits in self._ledger.open(self.name):
            if not waits:
                self._take(message_id, answered=self._is_fed)
            elif message_id not in self._awaited and len(self._awaited) < MOST_WAITING:
                self._awaited.add(message_id)
                self._spawn(partial(self._await, message_id))
        self._is_fed = True

    def _take(self, message_id: str, *, answered: bool) -> None:
        """Queue it. What a person has answered comes first: somebody is looking."""
        with self._lock:
            if message_id in self._taken:
                return
            self._taken.add(message_id)
        self._todo.put((0 if answered else 1, next(self._numbers), message_id))

    def _work(self, pace: float) -> None:
        while not self.is_ended:
            task = self._todo.get()
            if self._succeeds(self._triage.run, task[-1]):
                self._taken.discard(task[-1])
            else:
                self._todo.put(task)
            self._ended.wait(pace)

    def _await(self, message_id: str) -> None:
        """One refund before a person, in a thread of its own; the other messages go on meanwhile."""
        while not self.is_ended:
            if self._succeeds(self._triage.refund, message_id):
                self._take(message_id, answered=True)
                break
        self._awaited.discard(message_id)

    def _succeeds(self, bring_on: Callable[[str], None], message_id: str) -> bool:
        """Whether the message got further. What nobody thought of goes to a person the third time."""
        try:
            bring_on(message_id)
        except (Stopped, RunFinished) as over:
            log.info("%s: %s", self.name, over)
            self._ended.set()
            return False
        except Unreachable:
            log.warning("Watchfloor does not answer: %s has to wait", message_id)
            return False
        except Exception as error:
            log.exception("%s went wrong", message_id)
            self._wrongs[message_id] += 1
            if self._wrongs[message_id] == 3:
                why = f"The agent failed three times: {type(error).__name__}: {error}"[:1000]
                self._ledger.go_on(message_id, {"step": "review", "why": why})
            self._ended.wait(1.0)
            return False
        return True

    def _obey(self) -> None:
        """Acknowledge what people said once it stands in the ledger."""
        while not self.is_ended:
            self._attempt(self._listen)
            self._ended.wait(0.3)

    def _listen(self) -> None:
        for directive in self.run.check():
            self._directions.apply(directive)
            self.run.ack(directive)
            log.info("%s: %s by %s", self.name, directive.kind, directive.by)
            self._look_at = 0.0

    def _attempt(self, do: Callable[[], object]) -> None:
        """What can be done a little later just as well."""
        try:
            do()
        except (Stopped, RunFinished):
            self._ended.set()
        except WatchfloorError as error:
            log.warning("%s: %s", self.name, error)

    def _spawn(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True).start()
