"""Would-be sequencers as real processes, which can be killed: one parent that forks a child for each line it reads.

Every child says its number and how many lines it gave their places, after each batch, until it is killed.
"""

from __future__ import annotations

import os
import signal
import sys

import django


def main(limit: int) -> None:
    django.setup()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        if os.fork() == 0:
            run(limit)
    os._exit(0)


def run(limit: int) -> None:
    from django.db import DatabaseError

    from audit import sequencing

    say(0)
    while os.getppid() != 1:
        try:
            if done := sequencing.sequence(limit):
                say(done)
        except DatabaseError as error:
            sys.stderr.write(f"{error}\n")
            os._exit(1)
    os._exit(0)


def say(done: int) -> None:
    os.write(1, f"{os.getpid()} {done}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
