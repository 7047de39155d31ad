"""Helpers of the tests of net/ and upstreams/: sending requests, reading bodies, waiting."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import pytest

from chat2response.errors import UpstreamError
from chat2response.net.transport import HttpResponse, Receiver, StreamInterrupted, Transport, TransportOptions
from chat2response.wire.fault import Fault
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

PATH = "/v1/x"
SSE = "text/event-stream"
STREAM = Script(PATH, (), media_type=SSE, framing="chunked")
IMPATIENT = TransportOptions(connect_timeout=0.3, read_timeout=0.3)
"""For what never comes: each of the two runs out."""
PATIENT = 1.5
"""Seconds of silence for what does come first, on a busy machine too, and then is silent."""


class Source(Protocol):
    """What pushes a body: an HttpResponse, or a Reply."""

    def push(self, receiver: Receiver) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Body:
    """A Receiver whose bytes are awaited. `slow`: it takes one piece at a time, when `next` asks for it."""

    def __init__(self, source: Source, *, slow: bool = False) -> None:
        self.ended = False
        self._source = source
        self._slow = slow
        self._pieces: list[bytes] = []
        self._error: StreamInterrupted | UpstreamError | None = None
        self._changed = asyncio.Event()
        source.push(self)

    def on_data(self, data: bytes, /) -> None:
        assert data and not self.ended
        self._pieces.append(data)
        if self._slow:
            self._source.pause()
        self._changed.set()

    def on_end(self, error: StreamInterrupted | UpstreamError | None, /) -> None:
        assert not self.ended, "the end comes once"
        self.ended, self._error = True, error
        self._changed.set()

    def arrived(self) -> bytes:
        """The bytes that were pushed since the last look; empty if none were."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        if self._slow and not self.ended:
            self._source.resume()
        return data

    async def next(self) -> bytes:
        """The bytes that were pushed since the last call; empty at the end. Raises what ended the body."""
        async with asyncio.timeout(PATIENCE):
            while not (self._pieces or self.ended):
                self._changed.clear()
                await self._changed.wait()
        data = self.arrived()
        if not data and self._error is not None:
            raise self._error
        return data


async def post(
    transport: Transport, upstream: ScriptedUpstream, body: bytes = b"{}", **headers: str
) -> HttpResponse:
    async with asyncio.timeout(PATIENCE):
        return await transport.open("POST", f"{upstream.url}/x", headers, body)


async def body_of(response: HttpResponse) -> bytes:
    """Reads the body to its end and closes the response."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await response.read()
    finally:
        await response.close()


async def cut_of(response: HttpResponse) -> tuple[bytes, Fault]:
    """The bytes before an interruption, and its fault."""
    body, pieces = Body(response), []
    with pytest.raises(StreamInterrupted) as caught:
        while piece := await body.next():
            pieces.append(piece)
    return b"".join(pieces), caught.value.fault


async def until(condition: Callable[[], object]) -> None:
    """Lets the loop run until `condition` holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def settle() -> None:
    """Lets the loop process pending bytes."""
    for _ in range(5):
        await asyncio.sleep(0.001)
