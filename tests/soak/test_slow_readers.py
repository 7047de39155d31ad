"""Clients that do not read: each costs little memory, a second crowd costs no more, others are served."""

import json
import random
import socket
from pathlib import Path

import pytest

from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, body_for
from tests.support.soak.flood import flood
from tests.support.soak.gateway import Gateway, gateway
from tests.support.soak.laws import judge_end
from tests.support.soak.loops import Dose, Loop
from tests.support.soak.raw_http import Client, request

SIZE = 4 * 2**20
"""Bytes of each stream."""
EACH = 2**20
"""Peak bytes that a client that does not read may cost on a busy machine; usually a quarter of it."""
SLACK = 24 * 2**20
"""Bytes by which a process grows with its first work, independent of the clients."""


PAIRS: tuple[tuple[Surface, str], ...] = (("responses", "chat"), ("chat", "chat"), ("chat", "responses"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All pairs in a long run; in a short run only the most expensive pair."""
    dose = Dose.read(metafunc.config.getoption("--rounds"), metafunc.config.getoption("--seed"))
    metafunc.parametrize(("surface", "dialect"), PAIRS if dose.long else PAIRS[:1])


async def test_slow_readers(loop: Loop, tmp_path: Path, surface: Surface, dialect: str) -> None:
    body = json.dumps(body_for(surface, streamed=True)).encode()
    crowd = min(250, 20 * loop.dose.rounds)
    async with flood(dialect, SIZE) as url, gateway(tmp_path, url, dialect, apart=True) as running:
        await one_reader(running, surface, body)
        before, after = running.resident(), 0
        bearer = f"Authorization: Bearer {running.key}"
        data = request("POST", PATH[surface], body, bearer, "Content-Type: application/json")

        async def attack(number: int, rng: random.Random) -> str:
            """A crowd reads nothing; meanwhile another client is served; then the crowd disconnects."""
            nonlocal after
            clients = [await unread(running.port, data) for _ in range(crowd)]
            await one_reader(running, surface, body)
            growth = running.peak() - before
            for client in clients:
                await client.leave(reset=True)
            await running.at_rest()
            assert growth < SLACK + crowd * EACH, f"{crowd} unread streams took {growth >> 20} MiB"
            assert not after or running.peak() < after * 1.1, (
                "each crowd takes more memory than the one before"
            )
            after = after or running.peak()
            return f"a crowd of {crowd}"

        await loop.run(attack, per_round=1, at_once=1, most=10)


async def one_reader(running: Gateway, surface: Surface, body: bytes) -> None:
    """A client that reads its stream to the end."""
    answer = await running.call(PATH[surface], json.loads(body))
    assert answer.status == 200 and answer.whole, str(answer)
    assert len(answer.body) > SIZE / 4
    judge_end(answer.body, chat=surface == "chat")


async def unread(port: int, data: bytes) -> Client:
    """A client that has read the head of its stream, and stops reading."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    client = await Client.over(sock, port)
    await client.send(data)
    assert (await client.reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    return client
