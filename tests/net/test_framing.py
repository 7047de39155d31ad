"""Responses of upstreams, cut at every byte: limits of heads, ignored trailers."""

import asyncio
from typing import Any

import pytest

from chat2response.errors import UpstreamError, UpstreamTimeout
from chat2response.net.connection import READ, Connection
from chat2response.net.http_response import HttpResponse
from chat2response.net.transport import Transport
from chat2response.wire.fault import RESET
from tests.support.http_requests import IMPATIENT, PATH, body_of, cut_of, post
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Line(asyncio.Transport):
    """A fake transport: records what is written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: Any) -> None: ...

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Exchange:
    """A connection that has sent a request, and the response to it."""

    def __init__(self) -> None:
        self.free: list[Connection] = []
        self.connection = Connection(PATIENCE, PATIENCE, self.free.append)
        self.line = Line()
        self.connection.connection_made(self.line)
        self.response: HttpResponse = self.connection.send(b"GET / HTTP/1.1\r\n\r\n", b"")

    def _receive(self, data: bytes) -> None:
        """Passes bytes like an event loop: what exceeds the connection's buffer is another read."""
        for at in range(0, len(data), READ):
            part = data[at : at + READ]
            self.connection.get_buffer(-1)[: len(part)] = part
            self.connection.buffer_updated(len(part))

    def answer(self, *pieces: bytes) -> "Exchange":
        for piece in pieces:
            if piece and not self.line.closed:
                self._receive(piece)
        return self


@pytest.mark.parametrize(
    "name", ["Content-Type", "Content-Encoding", "X-Request-Id", "Retry-After", "Connection", "Set-Cookie"]
)
async def test_trailers_are_no_headers_wherever_the_bytes_are_cut(name: str) -> None:
    """Neither of this response nor of the next one on the same connection."""
    data = CHUNKED + b"2\r\n{}\r\n0\r\n" + name.encode() + b": gzip\r\n\r\n"
    for at in range(1, len(data) + 1):
        request = Exchange().answer(data[:at], data[at:])
        assert request.response.headers == [
            (b"Content-Type", b"application/json"),
            (b"Transfer-Encoding", b"chunked"),
        ]
        assert await request.response.read() == b"{}"
        second = request.connection.send(b"GET / HTTP/1.1\r\n\r\n", b"")
        request.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        assert second.headers == [(b"Content-Length", b"1")]
        request.connection.abort()


@pytest.mark.parametrize("step", [1 << 20, 65_536, 1000])
@pytest.mark.parametrize(("size", "passes"), [(65_536, True), (65_537, False), (120_000, False)])
async def test_the_bound_of_a_head_holds_however_it_is_cut(step: int, size: int, passes: bool) -> None:
    bare = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: \r\n\r\n"
    data = bare[:-4] + b"a" * (size - len(bare)) + b"\r\n\r\n{}"
    request = Exchange().answer(*(data[at : at + step] for at in range(0, len(data), step)))
    if passes:
        assert await request.response.read() == b"{}"
    else:
        with pytest.raises(UpstreamError, match="too large"):
            await request.response.head()
        assert request.line.closed
    request.connection.abort()


async def test_announcements_without_end_are_a_head_too_large() -> None:
    request = Exchange().answer(*[b"HTTP/1.1 102 Processing\r\n\r\n" * 40] * 100)
    with pytest.raises(UpstreamError, match="too large"):
        await request.response.head()


@pytest.mark.parametrize("endless", [b"0\r\nX: ", b"2;x="])
async def test_framing_without_end_cuts_the_body(endless: bytes) -> None:
    body = Exchange().answer(CHUNKED + b"2\r\n{}\r\n" + endless, *[b"a" * 1000] * 70)
    assert await cut_of(body.response) == (b"{}", RESET)
    assert body.line.closed


async def test_a_large_body_is_no_large_head() -> None:
    body = b"a" * 300_000
    request = Exchange().answer(HEAD + b"Content-Length: 300000\r\n\r\n" + body)
    assert await request.response.read() == body
    request.connection.abort()


class Drip(asyncio.Protocol):
    """A server that sends an endless head, byte by byte."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next: asyncio.Handle | None = None

    def data_received(self, data: bytes) -> None:
        if self._next is None:
            self._transport.write(HEAD + b"X-Slow: ")
            self._drop()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._next is not None:
            self._next.cancel()

    def _drop(self) -> None:
        self._transport.write(b"a")
        self._next = asyncio.get_running_loop().call_later(IMPATIENT.read_timeout / 10, self._drop)


async def test_a_head_that_comes_in_drops_has_no_more_time_than_any() -> None:
    """Each byte arrives before the timeout; the whole head does not."""

    server = await asyncio.get_running_loop().create_server(Drip, "127.0.0.1", 0)
    transport = Transport(IMPATIENT)
    try:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(UpstreamTimeout, match="in time"):
                url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
                await transport.open("POST", url, {}, b"{}")
    finally:
        await transport.close()
        server.close()
        await server.wait_closed()


async def test_an_answer_that_tells_of_another_protocol_is_an_answer(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    raw = HEAD + b"Connection: Upgrade\r\nUpgrade: h2,h2c\r\nContent-Length: 2\r\n\r\n{}"
    upstream.play(Script(PATH, (raw,), framing="raw", end="stall"))
    assert await body_of(await post(transport, upstream)) == b"{}"
