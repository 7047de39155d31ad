"""A key service on each store: what these tests promise holds on memory, SQLite and a real Redis alike."""

from collections.abc import AsyncIterator, Callable

import pytest

from chat2response.keys import KeyBook, KeyPolicy, KeyRing
from chat2response.stores import Store, open_store
from tests.doubles import Clock


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def plain_store(
    request: pytest.FixtureRequest, store_address: Callable[[str], str], clock: Clock
) -> AsyncIterator[Store]:
    """One store of each kind, empty."""
    store = open_store(store_address(request.param), clock=clock)
    yield store
    await store.close()


@pytest.fixture
def service(plain_store: Store, clock: Clock) -> KeyRing:
    """The key service of a gateway."""
    return KeyRing(plain_store, KeyPolicy(allow_no_expiration=True), clock=clock)


@pytest.fixture
def shell(plain_store: Store, clock: Clock) -> KeyBook:
    """The key service of another process on the same store."""
    return KeyBook(plain_store, KeyPolicy(allow_no_expiration=True), clock=clock)
