"""Somewhere outside: a real server in a thread that keeps what it is sent and answers as it is told."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

type Reply = Callable[[BaseHTTPRequestHandler], None]


class Receiver:
    """`url` to send to; `got` is what came, as `(headers, body)`."""

    def __init__(self, server: ThreadingHTTPServer, scheme: str) -> None:
        self.port: int = server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}/hook"
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.asked_for: list[str] = []
        """Names callers wanted, as TLS tells them."""
        self.status = 204
        self.reply: Reply | None = None
        self.at_once = 0
        self.most_at_once = 0
        self.came = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

    def verified(self, secret: str) -> list[Any]:
        """The bodies, each checked with the library that receivers use."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.got]

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.got.append(({k.lower(): v for k, v in request.headers.items()}, body))
        self.came.set()
        self.may_answer.wait(30)
        self.at_once -= 1
        with contextlib.suppress(ConnectionError):
            if self.reply:
                self.reply(request)
            else:
                request.send_response(self.status)
                request.end_headers()


@contextlib.contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(server, "https" if tls else "http")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that hangs up early is what some tests are about."""


def drip(request: BaseHTTPRequestHandler) -> None:
    """An answer that never comes to an end, a letter at a time."""
    end = time.monotonic() + 20
    with contextlib.suppress(OSError):
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while time.monotonic() < end:
            request.wfile.write(b"X")
            request.wfile.flush()
            time.sleep(0.02)
