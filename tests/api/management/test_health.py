"""Readiness: whether the store answers and takes writes; concurrent probes share a check."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from chat2response.api.management.health import WRITE_SECONDS, StoreHealth
from chat2response.stores import MemoryStore, StoreDown
from tests.support.clock_and_ids import Clock


class Counted(MemoryStore):
    """Counts reads and writes, which can be made to fail, and which wait for `gate`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.reads = self.writes = 0
        self.read_fault: StoreDown | None = None
        self.write_fault: StoreDown | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def get(self, kind: str, key: str) -> Any:
        self.reads += 1
        await self.gate.wait()
        if self.read_fault:
            raise self.read_fault
        return await super().get(kind, key)

    async def add(self, *args: Any, **more: Any) -> int | None:
        self.writes += 1
        await self.gate.wait()
        if self.write_fault:
            raise self.write_fault
        return await super().add(*args, **more)


@pytest.fixture
def store(clock: Clock) -> Counted:
    return Counted(clock)


def health(
    store: Counted, clock: Clock, stale: Callable[[], bool] = bool, seconds: float = 0.0
) -> StoreHealth:
    return StoreHealth(store, clock=clock, serves_stale=stale, stale_seconds=seconds)


async def test_many_probes_at_once_are_one_write(store: Counted, clock: Clock) -> None:
    probed = health(store, clock)
    store.gate.clear()
    waiting = [asyncio.create_task(probed.is_ready()) for _ in range(100)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    store.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert answers[1:] == [True] * 99
    assert (store.reads, store.writes) == (1, 1)


async def test_within_a_second_of_a_write_probes_only_read(store: Counted, clock: Clock) -> None:
    probed = health(store, clock)
    for _ in range(20):
        assert await probed.is_ready()
        clock.advance(WRITE_SECONDS / 10)
    assert store.writes == 2
    assert store.reads == 20


async def test_a_store_that_reads_and_does_not_take_writes_is_not_ready(store: Counted, clock: Clock) -> None:
    probed = health(store, clock)
    assert await probed.is_ready()
    store.write_fault = StoreDown("READONLY")
    clock.advance(WRITE_SECONDS)
    assert not await probed.is_ready()
    assert not await probed.is_ready()
    store.write_fault = None
    assert await probed.is_ready()  # at once


async def test_a_clock_that_was_set_back_does_not_put_off_the_next_write(
    store: Counted, clock: Clock
) -> None:
    probed = health(store, clock)
    assert await probed.is_ready()
    clock.advance(-1000)
    assert await probed.is_ready()
    assert store.writes == 2


async def test_readiness_is_green_while_keys_open_without_the_store_and_red_after(
    store: Counted, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    opens = True
    probed = health(store, clock, lambda: opens, 30.0)
    store.read_fault = store.write_fault = StoreDown("away")
    with caplog.at_level(logging.WARNING):
        assert await probed.is_ready()
        assert await probed.fault() is not None  # which is what /status shows
        clock.advance(29)
        assert await probed.is_ready()
        opens = False
        assert not await probed.is_ready()
        opens = True
        clock.advance(2)
        assert not await probed.is_ready()
        store.read_fault = store.write_fault = None
        assert await probed.is_ready()
        store.write_fault = StoreDown("away again")
        clock.advance(WRITE_SECONDS)
        assert await probed.is_ready()  # an outage of its own
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert "away" in lines[0]
    assert "30 s" in lines[0]
    assert "works again" in lines[1]
