"""Owners of upstream ids: one tenant, for thirty days, durably."""

import asyncio
from collections.abc import Callable

import pytest

from chat2response.state.owners import Owners
from chat2response.stores import MemoryStore, open_store
from chat2response.stores.base import StoreDown
from tests.support.clock_and_ids import Clock

DAY = 24 * 3600


async def test_an_id_belongs_to_its_tenant_alone() -> None:
    owners = Owners(MemoryStore())
    await owners.record("a", ["resp_1", "conv_1"])
    assert await owners.of(["resp_1"]) == ["a"]
    assert await owners.of(["conv_1"]) == ["a"]
    assert await owners.of(["resp_2"]) == [None]


async def test_a_record_lives_thirty_days(clock: Clock) -> None:
    owners = Owners(MemoryStore(clock=clock))
    await owners.record("a", ["resp_1"])
    clock.advance(30 * DAY - 1)
    assert await owners.of(["resp_1"]) == ["a"]
    clock.advance(1)
    assert await owners.of(["resp_1"]) == [None]


async def test_a_record_made_again_lives_on(clock: Clock) -> None:
    owners = Owners(MemoryStore(clock=clock))
    await owners.record("a", ["conv_1"])
    clock.advance(20 * DAY)
    await owners.record("a", ["conv_1"])
    clock.advance(20 * DAY)
    assert await owners.of(["conv_1"]) == ["a"]


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
async def test_the_first_owner_stays(store_address: Callable[[str], str], kind: str) -> None:
    """If an upstream returns an id twice, the item stays with its first key."""
    store = open_store(store_address(kind))
    owners = Owners(store)
    await owners.record("a", ["conv_1", "conv_1"])
    await owners.record("b", ["msg_1", "conv_1", "msg_2"])
    assert await owners.of(["conv_1", "msg_1", "msg_2"]) == ["a", "b", "b"]
    await store.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
async def test_of_two_who_record_an_id_at_once_one_owns_it(
    store_address: Callable[[str], str], kind: str
) -> None:
    store = open_store(store_address(kind))
    owners, ids = Owners(store), [f"msg_{n}" for n in range(20)]
    await asyncio.gather(*(owners.record(tenant, ids) for tenant in ("a", "b", "a")))
    assert set(await owners.of(ids)) <= {"a", "b"}
    before = await owners.of(ids)
    await asyncio.gather(*(owners.record(tenant, ids) for tenant in ("b", "a")))
    assert await owners.of(ids) == before
    await store.close()


async def test_a_late_record_of_anothers_does_not_lengthen_the_first(clock: Clock) -> None:
    owners = Owners(MemoryStore(clock=clock))
    await owners.record("a", ["conv_1"])
    clock.advance(29 * DAY)
    await owners.record("b", ["conv_1"])
    assert await owners.of(["conv_1"]) == ["a"]
    clock.advance(DAY)
    assert await owners.of(["conv_1"]) == [None]


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_what_was_recorded_is_there_for_another_process(
    store_address: Callable[[str], str], kind: str
) -> None:
    url = store_address(kind)
    first, second = open_store(url), open_store(url)
    await Owners(first).record("a", ["resp_1"])
    assert await Owners(second).of(["resp_1"]) == ["a"]
    await first.close()
    await second.close()


async def test_a_store_that_is_down_says_neither_yes_nor_no() -> None:
    store = MemoryStore()
    owners = Owners(store)
    await store.close()
    with pytest.raises(StoreDown):
        await owners.of(["resp_1"])
    with pytest.raises(StoreDown):
        await owners.record("a", ["resp_1"])
