"""A wire between client and server that a test can cut and mend."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Wire:
    """Forwards TCP to `target`. While cut, connections are reset at once; while mute, before the answer."""

    def __init__(self, target: str) -> None:
        split = urlsplit(target)
        self._target = (str(split.hostname), int(split.port or 80))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: set[socket.socket] = set()
        self._muted: set[socket.socket] = set()
        self._is_cut = False
        self._mute: bytes | None = None
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_cut = True
        for end in tuple(self._ends):
            hang_up(end)

    def mute(self, path: str = "/") -> None:
        """What is asked from now on arrives; no answer comes back. `path`: only where it says so."""
        self._mute = path.encode()

    def mend(self) -> None:
        self._is_cut, self._mute = False, None

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._ends |= {near, far}
                threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (piece := source.recv(65536)) and source not in self._muted:
                if self._mute is not None and self._mute in piece:
                    self._muted.add(sink)
                sink.sendall(piece)
        self._ends -= {source}
        self._muted -= {source}
        hang_up(sink)
        source.close()


def hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
