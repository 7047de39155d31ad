"""Clients that do not read: each costs little memory, which is reused, and none stays connected forever."""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.test_blocking import open_stream, unsent
from tests.support.cli.process import command
from tests.support.e2e.dialect_pairs import PATH, body_for, converted_way
from tests.support.e2e.scripted_model import CHAT, RESPONSES, STREAM, ModelReply, stream
from tests.support.http_requests import until
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

CLIENTS = 20
PER_CLIENT = 1024 * 1024
"""Bytes; measured are 250 to 400 KiB, and before there was a bound some 6 MiB."""
DELTA = b'data: {"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
LONG = Script(CHAT, (DELTA * 200_000,), media_type=STREAM, framing="close")
"""More than all buffers on the way hold. `close`: what is framed would be copied for each client."""


def resident(pid: int) -> int:
    """Bytes of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_asleep(pid: int) -> bool:
    """Whether the process is idle; one that waits for a CPU core is not."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def is_answered(client: socket.socket) -> bool:
    """Whether a part of the response has arrived, unread."""
    try:
        return bool(client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False


async def stuck(upstream: ScriptedUpstream, pid: int, clients: list[socket.socket]) -> None:
    """Waits until all clients have a response and no bytes move."""
    before, still = -1, 0
    async with asyncio.timeout(2 * PATIENCE):
        while not all(map(is_answered, clients)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        while still < 15:
            await asyncio.sleep(0.02)
            left = unsent(upstream)
            still = still + 1 if left == before and is_asleep(pid) else 0
            before = left
    assert before > 0, "the upstream must have more to say, or nothing was held back"


def unread(port: int, path: str, body: Any) -> socket.socket:
    """A client that sends a request, and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    sent = json.dumps(body).encode()
    client.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % path.encode())
    client.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(sent), sent))
    return client


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory of a process is read in /proc")
@pytest.mark.parametrize("surface", ["responses", "chat"], ids=["converted", "relayed"])
async def test_a_client_that_does_not_read_costs_little_and_a_second_wave_costs_nothing_more(
    upstream: ScriptedUpstream, tmp_path: Path, surface: Any
) -> None:
    upstream.play(LONG)
    settings = {"OPENAI_BASE_URL": upstream.url, "UPSTREAM_MODE": "chat", "BIND_ADDR": "127.0.0.1:0"}
    async with command(tmp_path, CHAT2RESPONSE_AUTH_MODE="open", **settings) as gateway:
        port = int((await gateway.url()).rpartition(":")[2])
        pid, body = gateway.process.pid, body_for(surface, streamed=True)

        async def wave(size: int) -> int:
            """The memory in bytes while `size` clients do not read."""
            clients = [unread(port, PATH[surface], body) for _ in range(size)]
            await stuck(upstream, pid, clients)
            taken = resident(pid)
            for client in clients:
                client.close()
            await upstream.until(lambda: not upstream.open)
            return taken

        await wave(1)
        idle = resident(pid)
        first, second = await wave(CLIENTS), await wave(CLIENTS)
    assert first - idle < CLIENTS * PER_CLIENT
    assert second - first < 0.1 * (first - idle) + 3 * 2**20, "a tenth, and pages that an allocator takes"


@converted_way
async def test_a_client_that_reads_late_gets_every_word(
    start: Start, upstream: ScriptedUpstream, surface: Any, dialect: str
) -> None:
    words = tuple(f"word {number:05d} " for number in range(20_000))
    upstream.play(stream(dialect, ModelReply(text=words)))
    gateway = await start(dialect)
    async with open_stream(gateway, PATH[surface], body_for(surface, streamed=True)) as slow:
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
    upstream.play(LONG)
    gateway = await start("chat", chat2response_write_timeout_seconds=0.1)
    async with open_stream(gateway, PATH[surface], body_for(surface, streamed=True)):
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
    async with open_stream(gateway, RESPONSES, body_for("responses")):
        await until(lambda: not gateway.connections)
