"""The command `watchfloor`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from watchfloor.evidence import command


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="watchfloor", description="Watchfloor's tools.")
    command.add_to(parser.add_subparsers(required=True, metavar="COMMAND"))
    asked = parser.parse_args(arguments)
    answer: int = asked.run(asked)
    return answer


if __name__ == "__main__":
    sys.exit(main())
