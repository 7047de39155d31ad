"""A gateway and a scripted upstream for each test, with checks that neither leaves anything behind."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
import uvloop
from pydantic import SecretStr

from chat2response.settings import Settings
from tests.support.e2e.gateway import OPERATOR_KEY, Running, running
from tests.support.scripted_upstream import PATIENCE, ScriptedUpstream

_OURS = ("OPENAI_", "CHAT2RESPONSE_", "UPSTREAM_MODE", "BIND_ADDR")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Runs the tests on the server's event loop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Removes settings from the environment."""
    for name in tuple(os.environ):
        if name.upper().startswith(_OURS):
            monkeypatch.delenv(name)
    return iter((None,))


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A scripted upstream without scripts."""
    async with ScriptedUpstream() as scripted:
        yield scripted


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(upstream: ScriptedUpstream, store_address: Callable[[str], str]) -> AsyncIterator[Start]:
    """`await start(mode, managed=True, store="memory", **settings)`: a gateway before the upstream.

    `managed`: whether it has a key for the upstream; who may pass follows, unless a setting says.
    """
    before = asyncio.all_tasks()
    stray: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: stray.append(context))
    async with AsyncExitStack() as stack:
        started: list[Running] = []

        async def begin(
            mode: str = "responses",
            *,
            managed: bool = True,
            store: str = "memory",
            clock: Callable[[], float] = time.time,
            hold: float = PATIENCE,
            **more: Any,
        ) -> Running:
            settings = Settings(
                _env_file=None,  # type: ignore[call-arg]
                openai_base_url=more.pop("openai_base_url", upstream.url),
                openai_api_key=more.pop("openai_api_key", SecretStr(OPERATOR_KEY) if managed else None),
                UPSTREAM_MODE=mode,
                **more,
            )
            address = store if "://" in store else store_address(store)
            gateway = await stack.enter_async_context(
                running(settings, store=address, clock=clock, hold=hold)
            )
            started.append(gateway)
            return gateway

        yield begin
        for gateway in started:
            await gateway.idle()
            assert len(gateway.runs) == 0, "a call is still in the registry"
            assert gateway.buffers.size == 0, "a body still takes room"
            gateway.judge()
    await upstream.until(lambda: not upstream.open)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:  # some are only being closed, as generators are that a client has dropped
        _, left = await asyncio.wait(left, timeout=PATIENCE)
    assert not left, f"tasks were left behind: {left}"
    assert not stray, f"exceptions that nobody took: {stray}"
