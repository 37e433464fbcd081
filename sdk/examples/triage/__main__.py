"""`python -m triage --input messages.csv --store desk.sqlite3`: sort the mail of a support desk."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

from watchfloor import Terminated, WatchfloorError

from .messages import UnreadableInput
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
    except (UnreadableInput, StoreInUse, WatchfloorError) as error:
        print(f"triage: {error}", file=sys.stderr)
        return 1


def _options(words: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="triage", description="Sort customer messages.")
    parser.add_argument("--input", type=Path, required=True, help="a .csv, .jsonl or .mbox file")
    parser.add_argument("--store", type=Path, required=True, help="SQLite file of desk and ledger")
    parser.add_argument("--limit", type=int, help="only the first so many messages")
    parser.add_argument("--workers", type=int, default=1, help="messages at once (default: 1)")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds to rest after a message")
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
        return Decimal(word)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{word} is not an amount") from None


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Threads that wait for the network must not keep a finished process alive; all state is on disk.
    os._exit(code)
