"""Clients that disconnect within milliseconds free their slots, so a limited key is never locked out."""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.e2e.dialect_pairs import body_for
from tests.support.e2e.scripted_model import CHAT, ModelReply, stream
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.soak.gateway import Gateway, gateway
from tests.support.soak.loops import Loop
from tests.support.soak.raw_http import ANSWER_WITHIN, Client, request

SLOTS = 20
AT_ONCE = 60
ANSWER = ModelReply(text=("Hello",))
BACK_WITHIN = 15.0
"""Seconds within which all slots are free again; a leaked lease expires after a minute."""


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_hang_ups(
    loop: Loop,
    upstream: ScriptedUpstream,
    tmp_path: Path,
    store_address: Callable[[str], str],
    kind: str,
) -> None:
    upstream.play(stream("chat", ANSWER).but(steps=stream("chat", ANSWER).steps[:2], end="stall"))
    body = json.dumps(body_for("chat", streamed=True)).encode()
    async with gateway(tmp_path, upstream, "chat", store_address(kind), apart=loop.dose.long) as running:
        key = await running.issue(limits={"concurrent_requests": SLOTS})
        data = request("POST", CHAT, body, f"Authorization: Bearer {key}", "Content-Type: application/json")

        async def attack(number: int, rng: random.Random) -> str:
            """A crowd of clients, each of which disconnects after some milliseconds."""
            await asyncio.gather(*(disconnect(running, data, rng.random() * 0.01) for _ in range(AT_ONCE)))
            await check_slots(running, data)
            upstream.requests.clear()
            return "all slots came back"

        await loop.run(attack, per_round=1, at_once=1)


async def disconnect(running: Gateway, data: bytes, after: float) -> None:
    """A client that sends a request and disconnects."""
    client = await Client.open(running.port)
    await client.send(data)
    await asyncio.sleep(after)
    await client.leave(reset=after > 0.005)


async def check_slots(running: Gateway, data: bytes) -> None:
    """Checks that as many calls as slots run concurrently, and that one more is refused."""
    loop = asyncio.get_running_loop()
    until = loop.time() + BACK_WITHIN
    open_clients: list[Client] = []
    try:
        while len(open_clients) < SLOTS:
            client = await Client.open(running.port)
            await client.send(data)
            if (status := await first_line(client)) == 200:
                open_clients.append(client)
                continue
            await client.leave()
            assert status == 429, f"{status} in place of a slot"
            assert loop.time() < until, (
                f"{len(open_clients)} of {SLOTS} slots are back after {BACK_WITHIN:g} s"
            )
            await asyncio.sleep(0.1)
        async with await Client.open(running.port) as more:
            await more.send(data)
            assert await first_line(more) == 429, "there are more slots than the key has"
    finally:
        for client in open_clients:
            await client.leave()


async def first_line(client: Client) -> int:
    """The status of an answer that may never end."""
    async with asyncio.timeout(ANSWER_WITHIN):
        return int((await client.reader.readuntil(b"\r\n")).split(b" ")[1])
