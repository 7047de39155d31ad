"""An HTTP client that sends raw bytes, in any pieces, and parses the answers."""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

ANSWER_WITHIN = 20.0
"""Seconds within which an answer comes, even on a busy machine; anything longer is a hang."""


class NoAnswer(AssertionError):
    """The connection ended before or inside an answer."""


class Answer:
    """An answer. `whole` is false if the connection ended inside the body."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, whole: bool = True) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.whole = whole

    @property
    def is_stream(self) -> bool:
        """Whether the body is a stream of events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.status} {dict(self.headers)} {self.body[:300]!r}"


class Client:
    """A connection: `async with await Client.open(port) as client`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**20))

    @classmethod
    async def over(cls, sock: socket.socket, port: int) -> "Client":
        """Like `open`, but with the given socket and a small read buffer."""
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=sock, limit=4096))

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def send(self, *pieces: bytes) -> None:
        """Sends the pieces with a short pause between them, so that most arrive as separate reads.

        A server that answers and closes before it has read all pieces is no failure: its answer can be read.
        """
        try:
            for number, piece in enumerate(pieces):
                if number:
                    await asyncio.sleep(0.002)
                self.writer.write(piece)
                await self.writer.drain()
        except ConnectionError:
            pass

    async def leave(self, *, reset: bool = False) -> None:
        """Closes the connection; `reset`: with an RST."""
        if reset:
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort() if reset else self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass

    async def answer(self, method: str = "POST") -> Answer:
        """Reads one answer to its end. Raises NoAnswer."""
        async with asyncio.timeout(ANSWER_WITHIN):
            try:
                return await self._answer(method)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise NoAnswer(f"the connection ended before or inside an answer: {error!r}") from None

    async def _answer(self, method: str) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        assert first.startswith("HTTP/1.1 "), f"no HTTP: {first!r}"
        status = int(first.split(" ")[1])
        if status == 100:
            return await self._answer(method)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if method == "HEAD" or status in (204, 304):
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, *await self._chunks())
        if "content-length" in headers:
            return Answer(status, headers, await self.reader.readexactly(int(headers["content-length"])))
        return Answer(status, headers, await self.reader.read())

    async def _chunks(self) -> tuple[bytes, bool]:
        body = bytearray()
        try:
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            assert await self.reader.readuntil(b"\r\n") == b"\r\n", "the answer has a trailer"
        except (asyncio.IncompleteReadError, ConnectionError):
            return bytes(body), False
        return bytes(body), True


def request(
    method: str, target: str | bytes, body: bytes | None = None, *lines: str | bytes, chunked: bool = False
) -> bytes:
    """The bytes of a request, with `lines` as further header lines."""
    first = b"%b %b HTTP/1.1" % (method.encode(), _raw(target))
    head = [first, b"Host: 127.0.0.1", *map(_raw, lines)]
    if body is None:
        return b"\r\n".join((*head, b"", b""))
    if chunked:
        return b"\r\n".join((*head, b"Transfer-Encoding: chunked", b"", b"%b0\r\n\r\n" % chunk(body)))
    return b"\r\n".join((*head, b"Content-Length: %d" % len(body), b"", body))


def chunk(data: bytes) -> bytes:
    """A chunk of a body; empty for no bytes, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


async def ask(port: int, *pieces: bytes, method: str = "POST") -> Answer:
    """Sends the pieces on a new connection; the answer."""
    async with await Client.open(port) as client:
        await client.send(*pieces)
        return await client.answer(method)


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
