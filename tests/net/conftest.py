"""A transport and a scripted upstream, on asyncio's loop and on uvloop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import uvloop

from chat2response.net.transport import Transport, TransportOptions
from tests.support.scripted_upstream import ScriptedUpstream


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Runs each test on both loops: their timers, pauses and closings differ."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as scripted:
        yield scripted


@pytest.fixture
async def transport(upstream: ScriptedUpstream) -> AsyncIterator[Transport]:
    """A transport with long timeouts; after the test no connection may be open."""
    stray: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: stray.append(context))
    result = Transport(TransportOptions(user_agent="tests"))
    yield result
    await result.close()
    await upstream.until(lambda: not upstream.open)
    assert not stray
