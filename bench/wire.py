"""HTTP/1.1 over bare sockets: a load generator must not need the processor it measures."""

from __future__ import annotations

import asyncio


class Wire:
    """One kept-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Wire:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(
        self, method: str, path: str, *, key: str = "", body: bytes = b"", **headers: str
    ) -> None:
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        if key:
            head += f"authorization: Bearer {key}\r\n"
        for name, value in headers.items():
            head += f"{name.replace('_', '-')}: {value}\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def receive(self) -> tuple[int, bytes]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        lowered = head.lower()
        at = lowered.find(b"content-length: ")
        if at < 0:
            return status, b""
        size = int(lowered[at + 16 : lowered.index(b"\r\n", at)])
        return status, await self.reader.readexactly(size)

    async def ask(self, method: str, path: str, **more: object) -> tuple[int, bytes]:
        self.send(method, path, **more)  # type: ignore[arg-type]
        return await self.receive()

    def close(self) -> None:
        self.writer.close()
