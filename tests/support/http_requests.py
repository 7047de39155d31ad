"""What the tests of net/ have in common: asking, reading to the end, waiting for what happens."""

import asyncio
from collections.abc import Callable

import pytest

from chat2response.net.http_response import HttpResponse
from chat2response.net.transport import StreamInterrupted, Transport, TransportOptions
from chat2response.wire.machine import Fault
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
    """Read to its end and closed."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await response.read()
    finally:
        await response.close()


async def cut_of(response: HttpResponse) -> tuple[bytes, Fault]:
    """What was read before the cut, and why it was cut."""
    pieces = []
    with pytest.raises(StreamInterrupted) as caught:
        while piece := await response.chunk():
            pieces.append(piece)
    return b"".join(pieces), caught.value.fault


async def until(condition: Callable[[], object]) -> None:
    """Lets the loop turn until `condition` holds: what it looks at are plain attributes."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def settle() -> None:
    """Lets the loop take in what is on its way."""
    for _ in range(5):
        await asyncio.sleep(0.001)
