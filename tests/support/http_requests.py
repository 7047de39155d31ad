"""Helpers of the tests of net/: sending requests, reading bodies, waiting."""

import asyncio
from collections.abc import Callable

import pytest

from chat2response.net.http_response import HttpResponse
from chat2response.net.transport import StreamInterrupted, Transport, TransportOptions
from chat2response.wire.fault import Fault
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

PATH = "/v1/x"
SSE = "text/event-stream"
STREAM = Script(PATH, (), media_type=SSE, framing="chunked")
IMPATIENT = TransportOptions(connect_timeout=0.3, read_timeout=0.3)
"""For what never comes: each of the two runs out."""
PATIENT = 1.5
"""Seconds of silence for what does come first, on a busy machine too, and then is silent."""


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
    pieces = []
    with pytest.raises(StreamInterrupted) as caught:
        while piece := await response.chunk():
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
