"""What every child process needs: to die with its parent, to be found again, and a way to say why it cannot run."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PROC = Path("/proc")
_LONGEST_SOCKET_PATH = 100
"""sun_path holds 108 bytes on Linux and 104 on macOS, the final NUL included."""


class CannotStart(Exception):
    """Something stands in the way of starting. The message is one sentence for the person at the terminal."""


def die_with_parent(sig: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends `sig` to the child when the parent is gone, however it went.

    It is tied to the *thread* that starts the child, so start children from the main thread. It must
    run after a change of user, which clears it: `Popen(user=…)` changes user before `preexec_fn`.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def leash() -> None:
        if libc is None:
            return
        libc.prctl(_PR_SET_PDEATHSIG, int(sig))
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return leash


def command_line(pid: int) -> str:
    """The command a living process was started with; empty when there is no such process."""
    if _PROC.exists():
        try:
            return (
                (_PROC / f"{pid}/cmdline")
                .read_bytes()
                .replace(b"\0", b" ")
                .decode(errors="replace")
            )
        except OSError:
            return ""
    found = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def is_unburied(pid: int) -> bool:
    """Whether a process is dead, but still counted because its parent has not asked how it ended (Linux)."""
    try:
        return (_PROC / f"{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[
            0
        ] == "Z"
    except OSError:
        return False


def users_of_memory(segment: str) -> int:
    """How many processes use a System V shared memory segment (Linux)."""
    rows = [row.split() for row in (_PROC / "sysvipc/shm").read_text().splitlines()]
    return sum(int(row[6]) for row in rows if row[1] == segment)


def socket_folder(wanted: Path, *, longest_name: str, owner: int) -> Path:
    """`wanted`, or a short stand-in where a socket in it would have a path longer than the system allows."""
    if len(str(wanted / longest_name)) <= _LONGEST_SOCKET_PATH:
        folder = wanted
    else:
        folder = (
            Path(tempfile.gettempdir())
            / f"watchfloor-{sha256(str(wanted).encode()).hexdigest()[:12]}"
        )
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    except FileExistsError:
        pass
    found = folder.lstat()  # a folder in a shared /tmp may have been laid by somebody else
    if folder.is_symlink() or found.st_uid != owner:
        mend = "start Watchfloor as its owner"
        if folder != wanted:
            mend = "choose a shorter WATCHFLOOR_DATA"
        raise CannotStart(f"{folder} belongs to someone else: remove it, or {mend}.")
    folder.chmod(0o700)
    return folder


def tail(log: Path, lines: int = 8) -> str:
    """Where a log is and its last lines, for the end of a sentence."""
    try:
        last = log.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        last = []
    return "\n".join([f"its log is {log} and ends with:", *last])
