"""Who owns an upstream's id: one tenant, for thirty days, durably."""

from collections.abc import Callable

import pytest

from chat2response.state.owners import Owners
from chat2response.stores import MemoryStore, open_store
from chat2response.stores.base import StoreDown
from tests.doubles import Clock

DAY = 24 * 3600


async def test_an_id_belongs_to_its_tenant_alone() -> None:
    owners = Owners(MemoryStore())
    await owners.record("a", ["resp_1", "conv_1"])
    assert await owners.owns("a", ["resp_1"]) == [True]
    assert await owners.owns("a", ["conv_1"]) == [True]
    assert await owners.owns("b", ["resp_1"]) == [False]
    assert await owners.owns("a", ["resp_2"]) == [False]


async def test_a_record_lives_thirty_days(clock: Clock) -> None:
    owners = Owners(MemoryStore(clock=clock))
    await owners.record("a", ["resp_1"])
    clock.advance(30 * DAY - 1)
    assert await owners.owns("a", ["resp_1"]) == [True]
    clock.advance(1)
    assert await owners.owns("a", ["resp_1"]) == [False]


async def test_a_record_made_again_lives_on(clock: Clock) -> None:
    owners = Owners(MemoryStore(clock=clock))
    await owners.record("a", ["conv_1"])
    clock.advance(20 * DAY)
    await owners.record("a", ["conv_1"])
    clock.advance(20 * DAY)
    assert await owners.owns("a", ["conv_1"]) == [True]


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_what_was_recorded_is_there_for_another_process(
    store_address: Callable[[str], str], kind: str
) -> None:
    url = store_address(kind)
    first, second = open_store(url), open_store(url)
    await Owners(first).record("a", ["resp_1"])
    assert await Owners(second).owns("a", ["resp_1"]) == [True]
    await first.close()
    await second.close()


async def test_a_store_that_is_down_says_neither_yes_nor_no() -> None:
    store = MemoryStore()
    owners = Owners(store)
    await store.close()
    with pytest.raises(StoreDown):
        await owners.owns("a", ["resp_1"])
    with pytest.raises(StoreDown):
        await owners.record("a", ["resp_1"])
