"""`python -m dashboard.supervisor`: what `bin/dev` runs once packages are there."""

from __future__ import annotations

import argparse
import os
import sys

from dashboard.embedded.process import CannotStart
from dashboard.embedded.runtime import data_folder, prepare

from . import surroundings
from .door import Lock, listen
from .floor import Floor
from .keeper import Keeper, Stopped


def main(words: list[str] | None = None) -> int:
    options = _options(words)
    os.umask(0o077)  # whatever we keep is ours alone
    keeper = Keeper()
    lock = None
    try:
        data = data_folder()
        prepare(data)
        lock = Lock(data)
        surroundings.check()
        listener = listen(options.host, options.port, patience=10 if lock.found_open else 0)
        Floor(keeper, data, listener, url=_url(options.host, listener.getsockname()[1])).open(
            demo=options.demo
        )
        keeper.watch()
    except Stopped:
        keeper.say("Closing.")
    except (CannotStart, OSError) as error:
        print(_sentence(error), file=sys.stderr, flush=True)
        return 1
    finally:
        keeper.stop()
        if lock:
            lock.release()
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"Watchfloor cannot run here: {(error.strerror or str(error)).lower()}{where}."
    return str(error)


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def _port(word: str) -> int:
    if not (word.isascii() and word.isdigit()) or not 0 <= int(word) <= 65535:
        raise argparse.ArgumentTypeError(f"{word} is not a port: choose a number from 1 to 65535")
    return int(word)


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/dev", description="Run Watchfloor on this machine.")
    parser.add_argument("--port", type=_port, default=8000, help="where to answer (default: 8000)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="whom to answer (default: this machine only)"
    )
    parser.add_argument(
        "--no-demo",
        dest="demo",
        action="store_false",
        help="an empty floor, without example agents",
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
