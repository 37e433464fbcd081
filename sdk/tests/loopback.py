"""A server on real sockets, small enough to misbehave on purpose."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], Any]


class Server:
    """Real sockets: `routes` maps "METHOD path" to (status, headers, body)."""

    def __init__(self) -> None:
        self.routes: dict[str, Callable[[Any], Answer]] = {}
        self.heard: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                called = f"{self.command} {self.path.removeprefix('/api/v1')}"
                owner.heard.append(called)
                unknown: Answer = (404, {}, {"code": "not_found", "detail": called})
                route = owner.routes.get(called)
                status, headers, answer = route(body) if route else unknown
                content = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_: Any) -> None:
                """Tests read `heard`."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
