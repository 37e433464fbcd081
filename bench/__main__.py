"""`bin/bench NAME`: starts what it needs, measures, prints one JSON line last."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from .figures import machine
from .floor import opened

NAMES = (
    "decide",
    "propose",
    "policy",
    "wait",
    "inbox",
    "ingest",
    "permits",
    "trip",
    "history",
    "budget",
    "record",
)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in NAMES:
        print(f"Usage: bin/bench {'|'.join(NAMES)}", file=sys.stderr)
        return 2
    name = arguments[0]
    with opened() as floor:
        figures = import_module(f"bench.{name}").measure(floor)
    print(json.dumps({"bench": name, **figures, "machine": machine()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
