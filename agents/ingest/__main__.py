"""`python -m agents.ingest <descriptor>`: the child at the other end of a web process's line. Started by `child.py`."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys


def main(descriptor: int) -> None:
    # Whoever ends the web process may mean its children, too (a terminal's Ctrl-C does). They go when it has hung
    # up: by then it has all its answers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    line = socket.socket(fileno=descriptor)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

    import django

    django.setup(set_prefix=False)

    from django.db import OperationalError, connection

    from .work import Work

    connection.settings_dict["OPTIONS"].pop("pool", None)
    connection.settings_dict["OPTIONS"].setdefault("application_name", "watchfloor ingest")
    connection.settings_dict["CONN_MAX_AGE"] = None  # one connection, for all its life
    with contextlib.suppress(OperationalError):  # it is tried again for every transaction
        connection.ensure_connection()
    gc.freeze()  # what is there now stays for ever: it is looked through neither meanwhile nor at the end
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the web process is gone
        Work(line).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
