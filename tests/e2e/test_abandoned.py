"""Clients that disconnect during admission: their key gets its slots back at once."""

import asyncio
import contextlib
import json
import time
from typing import Any

import pytest

from chat2response.keys.limits import KeyLimits
from chat2response.quota.windows import KIND, windows_of
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, ModelReply, speaking
from tests.support.scripted_upstream import ScriptedUpstream

SLOTS = 100
PATIENCE = 10.0  # of one that passes within a few ms; a lease lasts for 60


async def hang_up(gateway: Running, token: str, after: float) -> None:
    """Sends a whole request, and disconnects."""
    body = json.dumps({"model": CLIENT_MODEL, "input": "Hi", "max_output_tokens": 10}).encode()
    head = (
        f"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(head.encode() + body)
        await writer.drain()
        await asyncio.sleep(after)
    except ConnectionError:
        pass  # it was refused and let go of before it left
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
async def test_two_hundred_clients_that_hang_up_lock_nobody_out(
    start: Start, upstream: ScriptedUpstream, store: str
) -> None:
    upstream.play_for(CHAT, speaking("chat", ModelReply(text=("It ", "is."))))
    gateway = await start("chat", store=store)
    limits = {"concurrent_requests": SLOTS, "tokens_per_day": 10_000_000}
    issued = await gateway.services.keys.generate(limits=limits)
    await asyncio.gather(*(hang_up(gateway, issued.token, n % 5 / 1000) for n in range(200)))
    await gateway.idle()

    async def reserved() -> dict[str, int]:
        matches: dict[str, Any] = {}
        for each in windows_of(issued.key.id, KeyLimits(**limits), time.time()):
            lease = await gateway.services.store.lease(KIND, each.key, 0, ttl=60, window=each.ttl)
            matches[each.limit] = lease.used
        return matches

    async with asyncio.timeout(PATIENCE):
        while (used := await reserved())["concurrent_requests"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert used["tokens_per_day"] < 200 * 60, "nothing that was reserved counts, only what was used"
    who = {"authorization": f"Bearer {issued.token}"}
    body = [
        gateway.post("/v1/responses", {"model": CLIENT_MODEL, "input": "Hi"}, headers=who)
        for _ in range(SLOTS)
    ]
    assert {answer.status_code for answer in await asyncio.gather(*body)} == {200}
