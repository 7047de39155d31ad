"""Unusual request heads: slow ones, bytes that are not HTTP, requests for another protocol."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chat2response.server import lingering_close, time_limits
from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import body_for, post
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, ModelReply, whole
from tests.support.scripted_upstream import PATIENCE, ScriptedUpstream

HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a test sends arrives sooner, also on a busy machine.
    monkeypatch.setattr(time_limits, "HEAD_SECONDS", 1.5)
    monkeypatch.setattr(lingering_close, "SILENCE", 0.0)


@asynccontextmanager
async def wire(gateway: Running) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        async with asyncio.timeout(PATIENCE):
            yield reader, writer
    finally:
        writer.close()


def error_in(answer: bytes, status: int) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-type: application/json" in head and b"connection: close" in head
    (name,) = json.loads(body)
    assert name == "error"
    matches: dict[str, Any] = json.loads(body)[name]
    assert set(matches) == {"message", "type", "param", "code"}
    return matches


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("sent", [b"G", HEAD, HEAD + b"X-Slow: "])
async def test_a_head_that_takes_too_long_is_408(start: Start, sent: bytes) -> None:
    gateway = await start("chat")
    async with wire(gateway) as (reader, writer):
        writer.write(sent)
        answer = await reader.read()
    assert error_in(answer, 408)["code"] == "request_head_too_slow"


@pytest.mark.usefixtures("impatient")
async def test_bytes_now_and_then_win_no_time(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering_close, "SILENCE", PATIENCE)  # it is read why before the connection goes
    gateway = await start("chat")
    async with wire(gateway) as (reader, writer):
        reading = asyncio.ensure_future(reader.readuntil(b"}}"))
        writer.write(HEAD + b"X-Slow: ")
        while not reading.done():
            writer.write(b"a")
            await asyncio.wait({reading}, timeout=0.01)
        assert error_in(await reading, 408)


@pytest.mark.usefixtures("impatient")
async def test_the_next_head_has_as_long(start: Start) -> None:
    gateway = await start("chat")
    async with wire(gateway) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        first = await reader.readuntil(b'{"status":"ok"}')
        writer.write(HEAD)
        answer = await reader.read()
    assert first.startswith(b"HTTP/1.1 200 ")
    assert error_in(answer, 408)


@pytest.mark.usefixtures("impatient")
async def test_a_connection_that_asks_nothing_is_closed(start: Start) -> None:
    gateway = await start("chat")
    async with wire(gateway) as (reader, _):
        assert await reader.read() == b""


@pytest.mark.usefixtures("impatient")
async def test_a_body_and_an_answer_may_take_longer(start: Start, upstream: ScriptedUpstream) -> None:
    slow = asyncio.Event()
    upstream.play(whole("chat", ModelReply(text=("Hi",))).but(before=slow))
    gateway = await start("chat")
    body = json.dumps(body_for("chat")).encode()
    async with wire(gateway) as (reader, writer):
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
        writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body[:10])
        await past_the_deadline(gateway)
        writer.write(body[10:])
        await upstream.wait_for_request()
        await past_the_deadline(gateway)
        slow.set()
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")


async def past_the_deadline(gateway: Running) -> None:
    """Opens a connection, and waits until the gateway closes it because its head is late."""
    async with wire(gateway) as (reader, _):
        assert await reader.read() == b""


# -- bodies ------------------------------------------------------------------------------------------

SHORT = 2.0  # seconds; what is not silent on purpose is so for less, on a busy machine too


async def impatient_with_bodies(start: Start, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Running:
    monkeypatch.setattr(lingering_close, "SILENCE", 0.0)
    return await start("chat", chat2response_body_timeout_seconds=SHORT, **more)


def posted(gateway: Running, length: int, key: str | None = None) -> bytes:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key or gateway.key}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % length


@pytest.mark.parametrize("sent", [b"", b"{"])
async def test_a_body_that_pauses_too_long_is_408(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    gateway = await impatient_with_bodies(start, monkeypatch)
    async with wire(gateway) as (reader, writer):
        writer.write(posted(gateway, 100) + sent)
        answer = await reader.read()
    assert error_in(answer, 408)["code"] == "request_body_too_slow"
    assert answer.count(b"HTTP/1.1 ") == 1
    await gateway.idle()
    assert not upstream.requests


async def test_a_body_that_comes_by_and_by_is_read_to_its_end(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only pauses between the client's bytes are limited, not the wait for the response."""
    slow = asyncio.Event()
    upstream.play(whole("chat", ModelReply(text=("Hi",))).but(before=slow))
    gateway = await impatient_with_bodies(start, monkeypatch)
    body = json.dumps(body_for("chat")).encode()
    size = len(body) // 6
    async with wire(gateway) as (reader, writer):
        writer.write(posted(gateway, len(body)))
        for at in range(0, len(body), size):  # for longer than the bound, together
            await asyncio.sleep(SHORT / 4)
            writer.write(body[at : at + size])
        await upstream.wait_for_request()
        await asyncio.sleep(2 * SHORT)
        slow.set()
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_the_clock_rests_while_we_do_not_read(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipelined request waits for the one before it."""
    slow = asyncio.Event()
    upstream.play(
        whole("chat", ModelReply(text=("Hi",))).but(before=slow), whole("chat", ModelReply(text=("Ho",)))
    )
    gateway = await impatient_with_bodies(start, monkeypatch)
    body = json.dumps(body_for("chat")).encode()
    async with wire(gateway) as (reader, writer):
        writer.write(posted(gateway, len(body)) + body + posted(gateway, len(body)) + body[:10])
        await upstream.wait_for_request()
        await asyncio.sleep(3 * SHORT)
        slow.set()
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(body[10:])
        await reader.readuntil(b"Ho")


async def test_who_was_refused_cannot_go_on_with_the_body_without_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await impatient_with_bodies(start, monkeypatch)
    async with wire(gateway) as (reader, writer):
        writer.write(posted(gateway, 100, key="wrong") + b"{")
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.count(b"HTTP/1.1 ") == 1


# -- what is no HTTP/1.1 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"GET / HTTP/1.1\nx: y\n\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"G T / X\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_told_so_in_json(
    start: Start, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(lingering_close, "SILENCE", 0.0)
    gateway = await start("chat")
    async with wire(gateway) as (reader, writer):
        writer.write(sent)
        assert error_in(await reader.read(), 400)["code"] == "invalid_http"


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
async def test_who_asks_for_another_protocol_is_answered_in_this_one(
    start: Start, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture, upgrade: bytes
) -> None:
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat")
    async with wire(gateway) as (reader, writer):
        request = b"Connection: Upgrade\r\nUpgrade: %b\r\nSec-WebSocket-Version: 13\r\n\r\n" % upgrade
        writer.write(HEAD + request)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
    assert "pip install" not in caplog.text
    assert (await post(gateway, "chat")).status_code == 200


async def test_a_body_behind_an_upgrade_that_is_not_ours_is_read(
    start: Start, upstream: ScriptedUpstream
) -> None:
    """Java's HttpClient and `curl --http2` request h2c with every first request."""
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat")
    body = json.dumps(body_for("chat")).encode()
    asks = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n"
    async with wire(gateway) as (reader, writer):
        for _ in range(2):
            writer.write(posted(gateway, len(body)).removesuffix(b"\r\n") + asks + b"\r\n" + body)
            await reader.readuntil(b"HTTP/1.1 200 ")
            await reader.readuntil(b"Hi")


# -- trailers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("writes", [1, 2])
async def test_a_key_in_a_trailer_opens_nothing(
    start: Start, upstream: ScriptedUpstream, writes: int
) -> None:
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat")
    body = json.dumps(body_for("chat")).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    trailers = b"0\r\nAuthorization: Bearer %b\r\nX-Api-Key: %b\r\n\r\n" % ((gateway.key.encode(),) * 2)
    await sent_in(writes, gateway, head, b"%x\r\n%b\r\n" % (len(body), body) + trailers, 401)
    assert not upstream.requests


@pytest.mark.parametrize("writes", [1, 2])
@pytest.mark.parametrize("trailer", [b"X-Forwarded-For: 127.0.0.1", b"Forwarded: for=127.0.0.1"])
async def test_a_trailer_names_no_sender(start: Start, writes: int, trailer: bytes) -> None:
    """The proxy's own header counts; one that the client wrote itself does not."""
    gateway = await start("chat", chat2response_trusted_proxies="127.0.0.1")
    head = (
        b"POST /keys/generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"X-Forwarded-For: 203.0.113.9\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    await sent_in(writes, gateway, head, b"2\r\n{}\r\n0\r\n" + trailer + b"\r\n\r\n", 401, 403)


async def sent_in(writes: int, gateway: Running, head: bytes, rest: bytes, *expected: int) -> None:
    async with wire(gateway) as (reader, writer):
        for piece in (head + rest,) if writes == 1 else (head, rest):
            writer.write(piece)
            await writer.drain()
        assert int((await reader.readuntil(b"\r\n"))[9:12]) in expected
