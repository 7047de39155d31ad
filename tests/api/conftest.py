"""The management application on each kind of store, and a client for it."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from chat2response.stores import Store, open_store
from tests.support.clock_and_ids import Clock
from tests.support.management_client import Parts, client


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(
    request: pytest.FixtureRequest, store_address: Callable[[str], str], clock: Clock
) -> AsyncIterator[Store]:
    """An empty store."""
    opened = open_store(store_address(request.param), clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
def parts(store: Store, clock: Clock) -> Parts:
    """The parts of an application on that store."""
    return Parts.over(store, clock)


@pytest.fixture
async def http(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """A client on this machine."""
    async with client(parts) as result:
        yield result
