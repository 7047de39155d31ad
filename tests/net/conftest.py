"""A transport and a scripted upstream, on the loop of the tests and on the one that the server runs on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import uvloop

from chat2response.net.transport import Transport, TransportOptions
from tests.support.scripted_upstream import ScriptedUpstream


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both must carry it: timers, pauses and closings differ."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as scripted:
        yield scripted


@pytest.fixture
async def transport(upstream: ScriptedUpstream) -> AsyncIterator[Transport]:
    """Patient; at the end of the test it must leave no connection."""
    stray: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: stray.append(context))
    result = Transport(TransportOptions(user_agent="tests"))
    yield result
    await result.close()
    await upstream.until(lambda: not upstream.open)
    assert not stray
