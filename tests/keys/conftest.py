"""Fixtures: a key service on each store: memory, SQLite, Redis, a cluster, a Sentinel setup, and TLS."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from chat2response.keys import KeyPolicy, KeyRepository, KeyService, KeyVerifier
from chat2response.stores import Store, open_store
from tests.support import redis_topologies
from tests.support.clock_and_ids import Clock
from tests.support.key_parts import key_parts
from tests.support.stores.redis_tls import tls_address, tls_in_front

DEADLINE = 15.0  # TLS handshakes at once take seconds on a busy machine


@pytest.fixture(params=["memory", "sqlite", "redis", "cluster", "sentinel", "tls"])
async def plain_store(
    request: pytest.FixtureRequest, store_address: Callable[[str], str], clock: Clock
) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with AsyncExitStack() as stack:
        if request.param == "tls":
            server, cert, key = request.getfixturevalue("locked_server")
            redis_topologies.emptied([server])
            port = await stack.enter_async_context(tls_in_front(server.socket, cert, key))
            address = tls_address(port, cert)
        elif request.param == "cluster":
            address = redis_topologies.cluster_address(
                redis_topologies.emptied(request.getfixturevalue("shared_cluster"))
            )
        elif request.param == "sentinel":
            watched_master = request.getfixturevalue("shared_sentinel")
            redis_topologies.emptied([watched_master.master])
            address = watched_master.url
        else:
            address = store_address(request.param)
        store = open_store(address, clock=clock, deadline=DEADLINE)
        yield store
        await store.close()


@pytest.fixture
def gateway(plain_store: Store, clock: Clock) -> tuple[KeyService, KeyVerifier]:
    """The parts of a gateway."""
    return key_parts(plain_store, KeyPolicy(allow_no_expiration=True), clock=clock)


@pytest.fixture
def service(gateway: tuple[KeyService, KeyVerifier]) -> KeyService:
    """The key service of a gateway."""
    return gateway[0]


@pytest.fixture
def verifier(gateway: tuple[KeyService, KeyVerifier]) -> KeyVerifier:
    """The key verifier of the same gateway."""
    return gateway[1]


@pytest.fixture
def shell(plain_store: Store, clock: Clock) -> KeyService:
    """The key service of another process on the same store."""
    return KeyService(KeyRepository(plain_store, clock=clock), KeyPolicy(allow_no_expiration=True))
