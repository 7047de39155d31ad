"""How many Python functions a call enters: the part of its CPU that can be counted without noise.

An entry is a "call" event of `sys.setprofile` in the gateway's thread, in a file of ours or of uvicorn.
After a wait, a coroutine is entered once more. The standard library does not count, because its share depends
on Python's version; nor do the tests, which run beside the gateway.

The limits are what these calls enter today. Lower them with each saving. Raise one only for a reason that is
worth its price: four entries are about one percent of a JSON call's CPU.
"""

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import uvicorn

import chat2response
from tests.e2e.conftest import Start
from tests.support.clock_and_ids import Clock
from tests.support.e2e.gateway import Running
from tests.support.e2e.lockstep import LockstepClient, deltas, lockstep_upstream

_COUNTED = tuple(f"{Path(str(package.__file__)).parent}/" for package in (chat2response, uvicorn))
_TOOL = {
    "name": "get_weather",
    "description": "Measured weather of one place on one day.",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}, "day": {"type": "string"}},
        "required": ["place", "day"],
        "additionalProperties": False,
    },
    "strict": True,
}
_TURNS = [
    {"role": "user", "content": "What was the weather like in Reykjavik?"},
    {"role": "assistant", "content": "It was 3 degrees with light snow."},
    {"role": "user", "content": "And in the evening?"},
    {"role": "assistant", "content": "Clear, at -1 degrees."},
    {"role": "user", "content": "Compare both with the average."},
]
_RESPONSES = {
    "model": "m",
    "instructions": "Answer in complete sentences.",
    "input": _TURNS,
    "tools": [{"type": "function", **_TOOL}],
    "tool_choice": "auto",
    "max_output_tokens": 512,
    "temperature": 0.7,
    "store": False,
}
_CHAT = {
    "model": "m",
    "messages": _TURNS,
    "tools": [{"type": "function", "function": _TOOL}],
    "temperature": 0.7,
}


class Measured:
    """A warm gateway before a Chat upstream, and a client with a managed key."""

    def __init__(self, gateway: Running, client: LockstepClient) -> None:
        self._gateway = gateway
        self._client = client

    async def entries(self, work: Callable[..., object], *args: Any) -> int:
        """The fewest entries of three runs, because a background task may add to one."""
        return min([(await self._count(work, *args)).total() for _ in range(3)])

    async def whole(self, path: str, body: dict[str, Any]) -> int:
        """The entries of a JSON call."""
        return await self.entries(self._client.whole, path, body)

    async def per_delta(self, path: str, body: dict[str, Any], event: bytes, *, at_once: bool) -> float:
        """The entries of a delta: those of 40 deltas less those of 20. `at_once`: all arrive in one read."""
        totals = []
        for count in (20, 40):
            parts = [b"".join(deltas(count))] if at_once else deltas(count)
            totals.append(await self.entries(self._client.stream, path, body, parts, event))
        return (totals[1] - totals[0]) / 20

    async def _count(self, work: Callable[..., object], *args: Any) -> Counter[Any]:
        entries: Counter[Any] = Counter()

        def count(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(_COUNTED):
                entries[frame.f_code] += 1

        sys.setprofile(count)
        try:
            await asyncio.to_thread(work, *args)
            await self._gateway.idle()
        finally:
            sys.setprofile(None)
        return entries


@pytest.fixture
async def measured(start: Start, clock: Clock, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Measured]:
    """A gateway that has answered calls before, so that key, connections and caches are warm.

    Its clock stands still: the cache of keys, which is valid for a second, does not expire in a slow run.
    """
    caplog.set_level(logging.INFO, "chat2response.access")  # as a running gateway logs
    with lockstep_upstream() as upstream:
        gateway = await start("chat", clock=clock, openai_base_url=upstream.url)
        client = LockstepClient(gateway.port, gateway.key, upstream)
        for path, body in (("/v1/responses", _RESPONSES), ("/v1/chat/completions", _CHAT)):
            await asyncio.to_thread(client.whole, path, body)
        yield Measured(gateway, client)
        await asyncio.to_thread(client.close)


@pytest.mark.parametrize(
    ("path", "body", "limit"),
    [("/v1/responses", _RESPONSES, 318), ("/v1/chat/completions", _CHAT, 169)],
    ids=["converted", "relayed"],
)
async def test_a_json_call_enters_few_functions(
    measured: Measured, path: str, body: dict[str, Any], limit: int
) -> None:
    assert await measured.whole(path, body) <= limit


@pytest.mark.parametrize(
    ("path", "body", "event", "limit", "limit_at_once"),
    [
        ("/v1/responses", _RESPONSES, b'"response.output_text.delta"', 19, 4),
        ("/v1/chat/completions", _CHAT, b'"content":', 15, 0),
    ],
    ids=["converted", "relayed"],
)
async def test_a_delta_enters_few_functions(
    measured: Measured, path: str, body: dict[str, Any], event: bytes, limit: float, limit_at_once: float
) -> None:
    """`limit`: for a delta that arrives alone; `limit_at_once`: for one of many in the same read."""
    assert await measured.per_delta(path, body, event, at_once=False) <= limit
    assert await measured.per_delta(path, body, event, at_once=True) <= limit_at_once
