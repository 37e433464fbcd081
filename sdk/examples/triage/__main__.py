"""`python -m triage --input messages.csv --store desk.sqlite3`: sort the mail of a support desk."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sqlite3
import sys
import threading
from decimal import Decimal, InvalidOperation
from pathlib import Path

from watchfloor import Terminated, WatchfloorError

from .shift import Options, Shift, StoreInUse


def main(words: list[str] | None = None) -> int:
    options = _options(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        Shift(options).work()
        return 0
    except KeyboardInterrupt:
        return 0
    except Terminated as ended:
        print(f"Ended: {ended}")
        return 0
    except (StoreInUse, WatchfloorError, OSError, ValueError, sqlite3.Error) as error:
        print(f"triage: {_sentence(error)}", file=sys.stderr)
        return 1


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


def _options(words: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="triage", description="Sort customer messages.")
    parser.add_argument("--input", type=_file, required=True, help="a .csv, .jsonl or .mbox file")
    parser.add_argument("--store", type=Path, required=True, help="SQLite file of desk and ledger")
    parser.add_argument("--limit", type=_whole, help="only the first so many messages")
    parser.add_argument("--workers", type=_whole, default=1, help="messages at once (default: 1)")
    parser.add_argument(
        "--pace", type=_seconds, default=0.0, help="seconds to rest after a message"
    )
    parser.add_argument("--run-key", default="", help="names the run; by default the file's digest")
    parser.add_argument("--seed", type=int, default=77, help="how the stand-in model fails")
    parser.add_argument("--loop-on", action="append", default=[], metavar="ID",
                        help="a message the stand-in will not let go of")  # fmt: skip
    parser.add_argument("--refund-over", type=_money, default=Decimal(50), metavar="AMOUNT",
                        help="refunds above it need a person (default: 50)")  # fmt: skip
    parser.add_argument("--leave-pending", action="store_true",
                        help="end while refunds still wait; the next start goes on")  # fmt: skip
    parser.add_argument("--forever", action="store_true", help="read the file again and again")
    said = vars(parser.parse_args(words))
    return Options(**said | {"loop_on": frozenset(said["loop_on"])})


def _money(word: str) -> Decimal:
    try:
        amount = Decimal(word)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise argparse.ArgumentTypeError(f"{word} is not an amount")
    return amount


def _file(word: str) -> Path:
    if not Path(word).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {word}")
    return Path(word)


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
