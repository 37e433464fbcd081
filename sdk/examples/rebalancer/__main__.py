"""`python -m rebalancer --store broker.sqlite3`: keep a portfolio at its targets, one day a run."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from watchfloor import Client, RunFinished, Terminated, WatchfloorError

from .broker import Broker
from .diary import Diary
from .plan import prices, trades
from .tools import SCHEMAS, TOOLS
from .trading import Trader

log = logging.getLogger("rebalancer")


PATIENCE = 120.0
"""Seconds an agent outlives a restart of the server."""

VERSION = "example with made-up prices"


def main(words: list[str] | None = None) -> int:
    options = _options(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        work(options)
    except (KeyboardInterrupt, SystemExit):
        return 0
    except Terminated as ended:
        print(f"Ended: {ended}")
        return 0
    except BlockingIOError:
        print(f"rebalancer: another process works on {options.store}", file=sys.stderr)
        return 1
    except (WatchfloorError, OSError, ValueError, sqlite3.Error) as error:
        print(f"rebalancer: {_sentence(error)}", file=sys.stderr)
        return 1
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


def work(options: argparse.Namespace) -> None:
    """Day after day, until `--days` are over."""
    store: Path = options.store
    broker = Broker(store)
    lock = store.with_name(f"{store.name}.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    diary = Diary(store.with_name(f"{store.name}.diary"))
    with Client(patience=PATIENCE, buffer_path=f"{store}.outbox") as client:
        if client.agent().get("state") == "retired":
            raise Terminated("this agent is retired")
        client.register_version(VERSION, tools=TOOLS, schemas=SCHEMAS)
        while options.forever or diary.day <= options.days:
            rebalance(client, broker, diary, after_debit=_crash(options.crash_after))
            threading.Event().wait(options.pace)


def rebalance(
    client: Client, broker: Broker, diary: Diary, *, after_debit: Callable[[], None]
) -> None:
    """One day as one run. A day that was begun is finished with the trades it began with."""
    title, market = f"Rebalance, day {diary.day}", prices(diary.day)
    metadata = {"day": diary.day, "prices": "made up"}
    try:
        with client.run(title, key=diary.run_key, version=VERSION, metadata=metadata) as run:
            trader = Trader(run, broker, after_debit=after_debit)
            if diary.trades is None:
                # A run that was terminated half way through a trade still owes its credit.
                for debit in broker.half_done():
                    log.info(trader.complete(debit))
                diary.plan(trades(diary.run_key, broker.holdings(), market))
            said = trader.place_all(diary.trades or [])
            run.output = {"trades": said}
    except (Terminated, RunFinished) as over:
        log.info("Day %d: %s", diary.day, over)
        diary.next_attempt()
        return
    log.info("Day %d: %s", diary.day, "; ".join(said) or "nothing to trade")
    diary.next_day()


def _crash(after: str | None) -> Callable[[], None]:
    """For tests: die as `kill -9` would, once, between debit and credit."""
    return (lambda: os.kill(os.getpid(), signal.SIGKILL)) if after == "debit" else lambda: None


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rebalancer", description="Keep a portfolio balanced.")
    parser.add_argument("--store", type=Path, required=True, help="SQLite file of the broker")
    parser.add_argument("--days", type=_whole, default=1, help="end after this day (default: 1)")
    parser.add_argument("--forever", action="store_true", help="day after day")
    parser.add_argument("--pace", type=_seconds, default=0.0, help="seconds to rest between days")
    parser.add_argument("--crash-after", choices=["debit"], help="die between debit and credit")
    return parser.parse_args(words)


def _whole(word: str) -> int:
    if not word.isascii() or not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is not a whole number, 1 or more")
    return int(word)


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < threading.TIMEOUT_MAX:  # which NaN is not, either
        raise argparse.ArgumentTypeError(f"{word} is not a number of seconds")
    return seconds


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Threads that wait for the network must not keep a finished process alive; all state is on disk.
    os._exit(code)
