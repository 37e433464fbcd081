"""A small witness of one's own, as C2SP writes it: it cosigns what continues what it signed before."""

from __future__ import annotations

import contextlib
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.rules import cosignatures, merkle, notes
from tests.audit.receiver import Quiet


class Witness:
    """`setting` is how WATCHFLOOR_WITNESSES names it. It trusts `log_keys`, and knows only their origins."""

    def __init__(self, port: int, name: str = "witness.example/w1") -> None:
        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()
        self.name = name
        self.url = f"http://127.0.0.1:{port}/log"
        self.log_keys: list[notes.Verifier] = []
        self.size = 0
        self.root = merkle.EMPTY
        self.asked: list[str] = []
        self.answers: list[int] = []
        self.broken: tuple[int, str] | None = None
        """An answer it gives instead of a right one."""

    @property
    def setting(self) -> str:
        id_ = cosignatures.key_id(self.name, self.public).hex()
        return f"{self.name}+{id_}+{b64encode(b'\x04' + self.public).decode()} {self.url}"

    def answer(self, path: str, body: str) -> tuple[int, str, str]:
        """Status, content type and body."""
        self.asked.append(body)
        if self.broken:
            return self.broken[0], "text/plain", self.broken[1]
        if path != "/log/add-checkpoint":
            return 404, "text/plain", "There is nothing here."
        head, _blank, note = body.partition("\n\n")
        old_line, *proof = head.split("\n")
        old = int(old_line.removeprefix("old "))
        parsed = notes.parse(note)
        checkpoint = notes.parse_checkpoint(parsed.text)
        known = [key for key in self.log_keys if key.name == checkpoint.origin]
        if not known:
            return 404, "text/plain", ""
        if not any(notes.is_signed_by(parsed, key) for key in known):
            return 403, "text/plain", ""
        if old > checkpoint.size:
            return 400, "text/plain", ""
        if old != self.size:
            return 409, "text/x.tlog.size", f"{self.size}\n"
        if old == checkpoint.size and checkpoint.root != self.root:
            return 409, "text/x.tlog.size", f"{self.size}\n"
        try:
            hashes = [b64decode(line) for line in proof]
            if old:
                merkle.check_consistency(old, checkpoint.size, self.root, checkpoint.root, hashes)
        except merkle.NotProved:
            return 422, "text/plain", ""
        self.size, self.root = checkpoint.size, checkpoint.root
        return 200, "text/plain", self.cosign(parsed.text)

    def cosign(self, text: str, *, at: int | None = None) -> str:
        moment = int(time.time()) if at is None else at
        signature = self.private.sign(cosignatures.signed_message(text, moment))
        blob = cosignatures.key_id(self.name, self.public) + moment.to_bytes(8) + signature
        other = f"\u2014 somebody.example/else {b64encode(b'x' * 76).decode()}\n"
        return f"{other}\u2014 {self.name} {b64encode(blob).decode()}\n"


@contextlib.contextmanager
def witnessing() -> Iterator[Witness]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, kind, text = found.answer(self.path, body)
            found.answers.append(status)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = Quiet(("127.0.0.1", 0), Handler)
    found = Witness(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
