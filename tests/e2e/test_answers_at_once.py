"""Whole responses are sent in one write; uvicorn's rules for a connection still apply."""

import asyncio
import gc

import pytest

from chat2response.wire.json import encode
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, body_for
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import ModelReply, stream, whole
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Hello", " there"))


def request_of(
    gateway: Running, body: bytes, path: str = PATH["chat"], *, method: str = "POST", headers: str = ""
) -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer_of(reader: asyncio.StreamReader, *, body: bool = True) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length) if body else b""


async def test_answers_of_one_connection_come_in_the_order_of_their_requests(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(*[whole("chat", ModelReply(text=(f"answer {n}",))) for n in range(3)])
    gateway = await start("chat")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request_of(gateway, encode(body_for("chat"))) * 3)
    for n in range(3):
        _, body = await answer_of(reader)
        assert f"answer {n}".encode() in body
    writer.close()


async def test_head_has_the_length_and_no_body(start: Start) -> None:
    gateway = await start("chat")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        request_of(gateway, b"", "/livez", method="HEAD") + request_of(gateway, b"", "/livez", method="GET")
    )
    head, _ = await answer_of(reader, body=False)
    again, body = await answer_of(reader)
    assert head.startswith(b"HTTP/1.1 200") and again.startswith(b"HTTP/1.1 200")
    assert len(body) > 0
    writer.close()


async def test_a_connection_that_is_to_end_ends(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request_of(gateway, encode(body_for("chat")), headers="Connection: close\r\n"))
    head, body = await answer_of(reader)
    assert b"connection: close" in head.lower()
    assert b"Hello there" in body
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("surface", ["chat", "responses"])
@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_a_call_leaves_nothing_for_the_collector(
    start: Start, upstream: ScriptedUpstream, dialect: str, surface: Surface, streamed: bool
) -> None:
    """A reference cycle per call would cost a tenth of the CPU time in garbage collection."""
    plays = [stream(dialect, REPLY) if streamed else whole(dialect, REPLY) for _ in range(5)]
    upstream.play(*plays)
    gateway = await start(dialect)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    request = request_of(gateway, encode(body_for(surface, streamed=streamed)), path=PATH[surface])
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in plays:
            writer.write(request)
            if streamed:
                await reader.readuntil(b"\r\n0\r\n\r\n")
            else:
                await answer_of(reader)
        await gateway.idle()
        gc.collect()
        left = {type(each).__name__ for each in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not left & {"RequestResponseCycle", "Request", "Call", "Run", "Answer", "HttpResponse", "Turn"}
    writer.close()
