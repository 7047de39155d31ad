"""Clients that disconnect at any moment: in the head, in the body, before the answer, inside it.

Afterwards no call runs, the upstream connections are closed, and the memory has not grown.
"""

import asyncio
import json
import random
from pathlib import Path

import pytest

from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, body_for
from tests.support.e2e.scripted_model import PATHS, STREAM, ModelReply, stream
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream
from tests.support.soak.gateway import gateway
from tests.support.soak.loops import Loop
from tests.support.soak.raw_http import ANSWER_WITHIN, Client, request

ANSWER = ModelReply(reasoning=("I think.",), text=tuple(f"word{number} " for number in range(40)))
MOMENTS = ("in the head", "in the body", "before the answer", "in the answer", "half closed")
GROWTH = 64 * 2**20
"""Bytes by which the memory may grow."""


def slow(dialect: str, rng: random.Random) -> Script:
    """An answer that stalls at a random step and never ends."""
    script = stream(dialect, ANSWER)
    steps = script.steps[: rng.randrange(len(script.steps))]
    if rng.random() < 0.2:
        return Script(PATHS[dialect], (), framing="raw", end="stall")
    return script.but(steps=steps, media_type=STREAM, end="stall", pause=True)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_aborts(loop: Loop, upstream: ScriptedUpstream, tmp_path: Path, dialect: str) -> None:
    scripts: dict[str, Script] = {}
    reached: dict[str, asyncio.Event] = {}

    def answer_for(received: Received) -> Script:
        name = received.json()["model"]
        reached[name].set()
        return scripts[name]

    upstream.play_for(PATHS[dialect], answer_for)
    async with gateway(tmp_path, upstream, dialect, apart=loop.dose.long) as running:
        before = running.resident() if loop.dose.long else 0

        async def attack(number: int, rng: random.Random) -> str:
            surface: Surface = rng.choice(tuple(PATH))
            name = f"model-{number}"
            scripts[name], reached[name] = slow(dialect, rng), asyncio.Event()
            body = body_for(surface, streamed=rng.random() < 0.7) | {
                "model": name,
                "user": "x" * rng.choice((1, 90_000)),
            }
            data = request(
                "POST", PATH[surface], json.dumps(body).encode(), f"Authorization: Bearer {running.key}",
                "Content-Type: application/json", chunked=rng.random() < 0.3,
            )  # fmt: skip
            moment = rng.choice(MOMENTS)
            await disconnect(await Client.open(running.port), data, moment, reached[name], rng)
            return moment

        await loop.run(attack, per_round=100, at_once=8)
        await running.at_rest()
        await upstream.until(
            lambda: all(each.gone.is_set() or each.played.is_set() for each in upstream.requests)
        )
        assert loop.seen["in the answer"] <= len(upstream.requests), "some calls reached the upstream"
        growth = running.resident() - before if loop.dose.long else 0
        assert growth < GROWTH, f"the memory grew by {growth >> 20} MiB"


async def disconnect(
    client: Client, data: bytes, moment: str, reached: asyncio.Event, rng: random.Random
) -> None:
    """Sends a part of a request, reads a part of its answer, and disconnects.

    `reached`: is set once the upstream has the call.
    """
    head = data.index(b"\r\n\r\n") + 4
    if moment == "in the head":
        await client.send(data[: rng.randrange(head)])
    elif moment == "in the body":
        await client.send(data[: rng.randrange(head, len(data))])
    else:
        await client.send(data)
    if moment == "in the answer":
        async with asyncio.timeout(ANSWER_WITHIN):
            await reached.wait()
        try:
            async with asyncio.timeout(rng.random() * 0.05):  # how far the answer got by then does not matter
                await client.reader.readexactly(rng.randrange(1, 3000))
        except (TimeoutError, EOFError, ConnectionError):
            pass
    if moment == "half closed":
        client.writer.write_eof()
    await client.leave(reset=rng.random() < 0.5)
