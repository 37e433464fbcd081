"""HTTP/1.1 over bare sockets: whoever measures must not need the processor that is measured."""

from __future__ import annotations

import asyncio
import socket


class Wire:
    """One kept-alive connection of an event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Wire:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, method: str, path: str, **more: object) -> None:
        self.writer.write(composed(method, path, **more))  # type: ignore[arg-type]

    async def receive(self) -> tuple[int, bytes]:
        head = await self.reader.readuntil(END)
        status, size = read(head)
        return status, await self.reader.readexactly(size)

    async def ask(self, method: str, path: str, **more: object) -> tuple[int, bytes]:
        self.send(method, path, **more)
        return await self.receive()

    def close(self) -> None:
        self.writer.close()


class Line:
    """One kept-alive connection of somebody who waits for each answer."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def send(self, request: bytes) -> None:
        """A small request in one write, as Chromium does (kMaxMergedHeaderAndBodySize)."""
        self._socket.sendall(request)

    def receive(self) -> tuple[int, bytes]:
        came = b""
        while END not in came:
            came += self._more()
        head, _, body = came.partition(END)
        status, size = read(head + END)
        while len(body) < size:
            body += self._more()
        return status, body

    def ask(self, request: bytes) -> tuple[int, bytes]:
        self.send(request)
        return self.receive()

    def _more(self) -> bytes:
        piece = self._socket.recv(65_536)
        if not piece:
            raise ConnectionError("The server closed the connection.")
        return piece


END = b"\r\n\r\n"


def composed(method: str, path: str, *, key: str = "", body: bytes = b"", **headers: str) -> bytes:
    """A request; underscores in names of headers are dashes."""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    if key:
        head += f"authorization: Bearer {key}\r\n"
    for name, value in headers.items():
        head += f"{name.replace('_', '-')}: {value}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def read(head: bytes) -> tuple[int, int]:
    """Status, and the bytes that follow."""
    lowered = head.lower()
    assert b"transfer-encoding: chunked" not in lowered
    at = lowered.find(b"content-length: ")
    size = 0 if at < 0 else int(lowered[at + 16 : lowered.index(b"\r\n", at)])
    return int(head[9:12]), size
