"""Clients that do not read: each costs little, what it cost is used again, and none is kept for ever."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import command
from tests.e2e.conftest import Start
from tests.e2e.pairs import PATH, body_for, converted_way
from tests.e2e.said import CHAT, RESPONSES, STREAM, Said, stream
from tests.e2e.test_blocking import held, unsent
from tests.net.asking import until
from tests.upstream import PATIENCE, Script, ScriptedUpstream

CLIENTS = 20
PER_CLIENT = 640 * 1024
"""Bytes; measured are 250 to 400 KiB, and before there was a bound some 6 MiB."""
DELTA = b'data: {"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
LONG = Script(CHAT, (DELTA * 30_000,), media_type=STREAM, framing="chunked")


def resident(pid: int) -> int:
    """Bytes of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


async def nothing_moves(upstream: ScriptedUpstream, clients: int) -> None:
    """Returns when the upstream is stuck with all its streams."""
    before, still = -1, 0
    async with asyncio.timeout(5 * PATIENCE):
        while still < 10:
            await asyncio.sleep(0.05)
            left = unsent(upstream) if len(upstream.open) >= clients else -1
            still = still + 1 if left == before and left > 0 else 0
            before = left


def unread(port: int, path: str, body: Any) -> socket.socket:
    """A client that asks, and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    sent = json.dumps(body).encode()
    client.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % path.encode())
    client.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(sent), sent))
    return client


@pytest.mark.parametrize("surface", ["responses", "chat"], ids=["converted", "relayed"])
async def test_a_client_that_does_not_read_costs_little_and_a_second_wave_costs_nothing_more(
    upstream: ScriptedUpstream, tmp_path: Path, surface: Any
) -> None:
    upstream.play(LONG)
    settings = {"OPENAI_BASE_URL": upstream.url, "UPSTREAM_MODE": "chat", "BIND_ADDR": "127.0.0.1:0"}
    async with command(tmp_path, CHAT2RESPONSE_AUTH_MODE="open", **settings) as gateway:
        port = int((await gateway.url()).rpartition(":")[2])
        pid, body = gateway.process.pid, body_for(surface, streamed=True)
        idle, cost = resident(pid), []
        for _ in range(2):
            clients = [unread(port, PATH[surface], body) for _ in range(CLIENTS)]
            await nothing_moves(upstream, CLIENTS)
            cost.append(resident(pid) - idle)
            for client in clients:
                client.close()
            await upstream.until(lambda: not upstream.open)
    assert cost[0] < CLIENTS * PER_CLIENT
    assert cost[1] < 1.1 * cost[0] + 4 * 2**20, "less than a tenth, and what a measurement of memory is off"


@converted_way
async def test_a_client_that_reads_late_gets_every_word(
    start: Start, upstream: ScriptedUpstream, surface: Any, dialect: str
) -> None:
    words = tuple(f"word {number:05d} " for number in range(20_000))
    upstream.play(stream(dialect, Said(text=words)))
    gateway = await start(dialect)
    async with held(gateway, PATH[surface], body_for(surface, streamed=True)) as slow:
        await asyncio.sleep(0)
        got = b"".join([data async for data in slow.aiter_bytes()])
    at = 0
    for word in words:
        at = got.index(word.encode(), at)
    assert got.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("surface", ["responses", "chat"])
async def test_a_client_that_takes_nothing_for_the_set_time_is_disconnected_and_its_upstream_with_it(
    start: Start, upstream: ScriptedUpstream, surface: Any
) -> None:
    upstream.play(LONG.but(steps=(DELTA * 200_000,)))  # more than all buffers on the way hold
    gateway = await start("chat", chat2response_write_timeout_seconds=0.1)
    async with held(gateway, PATH[surface], body_for(surface, streamed=True)):
        assert len(gateway.services.engine.runs) == 1
        await until(lambda: not len(gateway.services.engine.runs))
        await upstream.until(lambda: not upstream.open)


async def test_an_answer_that_is_no_stream_is_not_kept_for_ever_either(
    start: Start, upstream: ScriptedUpstream
) -> None:
    message = {"role": "assistant", "content": "x" * 16_000_000}
    completion = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    upstream.play(Script(CHAT, (json.dumps(completion).encode(),)))
    gateway = await start("chat", chat2response_write_timeout_seconds=0.1)
    async with held(gateway, RESPONSES, body_for("responses")):
        await until(lambda: not gateway.connections)
