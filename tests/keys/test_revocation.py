"""Revocation: other processes' changes of keys take effect, and end the running calls of a revoked key."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chat2response.errors import Unauthorized
from chat2response.keys import INVALID, KeyRepository, KeyService, KeyVerifier
from chat2response.keys.record import KIND
from chat2response.keys.revocation import RevocationFollower
from chat2response.stores import MISSED, MemoryStore, Store, StoreDown, open_store
from tests.support.clock_and_ids import Clock
from tests.support.key_parts import key_parts
from tests.support.scripted_upstream import PATIENCE


class Runs:
    """Running calls by key id."""

    def __init__(self, *ids: str) -> None:
        self.ids = set(ids)
        self.ended = asyncio.Event()

    def key_ids(self) -> set[str]:
        return set(self.ids)

    def end_key(self, key_id: str) -> None:
        self.ids.discard(key_id)
        self.ended.set()

    async def one_ends(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.ended.wait()
        self.ended.clear()


@pytest.fixture(params=["sqlite", "redis"])
async def stores(
    request: pytest.FixtureRequest, store_address: Callable[[str], str]
) -> AsyncIterator[tuple[Store, Store]]:
    """The stores of two processes, on one file or server."""
    address = store_address(request.param)
    pair = open_store(address), open_store(address)
    yield pair
    for store in pair:
        await store.close()


@pytest.fixture
async def no_back_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat2response.keys.revocation.RECHECK_SECONDS", 3600)


def service_on(store: Store) -> KeyService:
    """The key service of a process on this store."""
    return KeyService(KeyRepository(store))


async def refused(verifier: KeyVerifier, token: str) -> str:
    """Verify until the token is rejected; the message."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await verifier.verify(token)
            except Unauthorized as error:
                return error.message
            await asyncio.sleep(0.001)


async def test_another_process_is_heard_at_once(stores: Any, no_back_stop: None) -> None:
    ours, others = stores
    # A cached result would be valid for an hour: only the feed can invalidate it.
    verifier, other = KeyVerifier(KeyRepository(ours), cache_seconds=3600), service_on(others)
    first, second = await other.generate(), await other.generate()
    verifier.start()
    for token in (first.token, second.token):
        await verifier.verify(token)
    await other.revoke(first.key.id)
    assert await refused(verifier, first.token) == "API key revoked"
    await other.rotate(second.key.id)
    assert await refused(verifier, second.token) == "API key expired"
    await verifier.close()


async def test_a_key_that_another_makes_opens_though_it_was_refused(stores: Any, no_back_stop: None) -> None:
    ours, others = stores
    verifier, other = KeyVerifier(KeyRepository(ours), cache_seconds=3600), service_on(others)
    token, digest = other.new_digest()
    verifier.start()
    assert await refused(verifier, token.text()) == INVALID
    await other.import_digest(token.id, digest)
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                assert (await verifier.verify(token.text())).id == token.id
                break
            except Unauthorized:
                await asyncio.sleep(0.001)
    await verifier.close()


async def test_what_runs_under_a_key_that_another_revokes_ends(stores: Any, no_back_stop: None) -> None:
    ours, others = stores
    verifier, other = KeyVerifier(KeyRepository(ours)), service_on(others)
    doomed, living = (await other.generate()).key.id, (await other.generate()).key.id
    runs = Runs(doomed, living, "f" * 32)  # the last key has no record
    verifier.start(runs)
    await runs.one_ends()  # the feed starts with MISSED, so all keys are checked
    assert runs.ids == {doomed, living}
    await other.update(doomed, label="x")
    await other.set_expiration(living, expires_at=1)  # expired, but its calls were admitted before
    await other.revoke(doomed)
    await runs.one_ends()
    assert runs.ids == {living}
    await verifier.close()


async def test_our_own_revocation_ends_it_too(no_back_stop: None) -> None:
    service, verifier = key_parts(MemoryStore())
    key = (await service.generate()).key
    runs = Runs(key.id)
    verifier.start(runs)
    verifier.start(runs)  # once
    await service.revoke(key.id)
    await runs.one_ends()
    await verifier.close()
    await verifier.close()


class Silent(MemoryStore):
    """A store whose feed reports nothing, and that can be down."""

    away = False

    async def changes(self, kind: str) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield MISSED

    async def get_many(self, kind: str, keys: Any) -> Any:
        if self.away:
            self.away = False
            raise StoreDown("away")
        return await super().get_many(kind, keys)


async def test_what_no_feed_tells_is_found_by_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat2response.keys.revocation.RECHECK_SECONDS", 0.001)
    store = Silent()
    key = (await service_on(store).generate()).key
    runs = Runs(key.id)
    follower = RevocationFollower(store, lambda id: None)
    follower.start(runs)
    await store.put(KIND, key.id, key.document() | {"revoked_at": 1})  # as a writer that announces nothing
    await runs.one_ends()
    await follower.close()


async def test_a_store_that_is_away_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, no_back_stop: None
) -> None:
    monkeypatch.setattr("chat2response.keys.revocation.RETRY_SECONDS", 0)
    store = Silent()
    service, verifier = key_parts(store)
    key = (await service.generate()).key
    runs = Runs(key.id)
    verifier.start(runs)
    store.away = True
    await service.revoke(key.id)
    await runs.one_ends()
    assert not store.away
    await verifier.close()


class TestServeStale:
    """Opt-in: a token that was accepted a short while ago stays valid while the store is down."""

    @pytest.fixture
    def store(self, clock: Clock) -> Any:
        class Failing(MemoryStore):
            away = False

            async def get(self, kind: str, key: str) -> Any:
                if self.away:
                    raise StoreDown("away")
                return await super().get(kind, key)

        return Failing(clock=clock)

    async def test_for_so_long_and_no_longer(self, store: Any, clock: Clock) -> None:
        service, verifier = key_parts(store, clock=clock, serve_stale=30)
        known, unknown = await service.generate(), await service.generate()
        await verifier.verify(known.token)
        store.away = True
        for _ in range(2):
            clock.advance(14.9)
            assert (await verifier.verify(known.token)).id == known.key.id
            with pytest.raises(StoreDown):
                await verifier.verify(unknown.token)  # not verified recently
            with pytest.raises(StoreDown):
                await verifier.verify(known.token[:-1] + ("0" if known.token[-1] != "0" else "1"))
        clock.advance(0.2)
        with pytest.raises(StoreDown):
            await verifier.verify(known.token)

    async def test_not_each_of_them_waits_for_the_store(
        self, store: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        service, verifier = key_parts(store, clock=clock, serve_stale=300)
        tokens = [(await service.generate()).token for _ in range(5)]
        for token in tokens:
            await verifier.verify(token)
        reads: list[str] = []

        async def failing_get(kind: str, key: str) -> Any:
            reads.append(key)
            raise StoreDown("away")

        monkeypatch.setattr(store, "get", failing_get)
        for round_ in (1, 2):
            clock.advance(1)
            for token in tokens * 2:
                await verifier.verify(token)
            assert len(reads) == round_

    async def test_never_past_the_keys_end(self, store: Any, clock: Clock) -> None:
        service, verifier = key_parts(store, clock=clock, serve_stale=300)
        issued = await service.generate(ttl_seconds=10)
        rotated = await service.generate(ttl_seconds=1000)
        await service.rotate(rotated.key.id, grace_seconds=10)
        for token in (issued.token, rotated.token):
            await verifier.verify(token)
        store.away = True
        clock.advance(9)
        for token in (issued.token, rotated.token):
            await verifier.verify(token)
        clock.advance(1)
        for token in (issued.token, rotated.token):
            with pytest.raises(StoreDown):
                await verifier.verify(token)

    async def test_not_for_a_key_that_was_seen_to_be_dead(self, store: Any, clock: Clock) -> None:
        service, verifier = key_parts(store, clock=clock, serve_stale=300)
        other = KeyService(KeyRepository(store, clock=clock))
        one, two = await service.generate(), await service.generate()
        for token in (one.token, two.token):
            await verifier.verify(token)
        await service.revoke(one.key.id)  # this process's own change
        await other.revoke(two.key.id)
        clock.advance(1)
        with pytest.raises(Unauthorized):
            await verifier.verify(two.token)
        store.away = True
        clock.advance(1)
        for token in (one.token, two.token):
            with pytest.raises(StoreDown):
                await verifier.verify(token)

    async def test_not_unless_it_is_asked_for(self, store: Any, clock: Clock) -> None:
        service, verifier = key_parts(store, clock=clock)
        issued = await service.generate()
        await verifier.verify(issued.token)
        store.away = True
        clock.advance(1)
        with pytest.raises(StoreDown):
            await verifier.verify(issued.token)
