"""When keys were last used, on each store; `test_write_behind.py` tests how counts are written."""

import asyncio
from typing import Any

import pytest

from chat2response.keys.last_used import KIND, LastUsed, LastUsedTracker
from chat2response.stores import Store
from tests.support.clock_and_ids import Clock

ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture
def tracker(plain_store: Store, clock: Clock) -> LastUsedTracker:
    return LastUsedTracker(plain_store, clock=clock)


async def test_what_is_noted_is_read_at_once_and_stays_when_it_is_written(
    tracker: LastUsedTracker, plain_store: Store, clock: Clock
) -> None:
    now = int(clock())
    tracker.note(ONE, requests=1)
    clock.advance(5)
    tracker.note(ONE, requests=1, tokens=40)
    tracker.note(ONE, tokens=2)
    expected = [LastUsed(now + 5, 2, 42), LastUsed()]
    assert await tracker.read([ONE, TWO]) == expected
    assert await plain_store.get(KIND, ONE) is None
    await tracker.write_behind.flush()
    assert await tracker.read([ONE, TWO]) == expected
    assert await LastUsedTracker(plain_store).read([ONE, TWO]) == expected
    assert await tracker.read([]) == []


async def test_processes_add_up(tracker: LastUsedTracker, plain_store: Store, clock: Clock) -> None:
    other = LastUsedTracker(plain_store, clock=clock)
    for _ in range(3):
        for each in (tracker, other):
            each.note(ONE, requests=1, tokens=10)
        clock.advance(1)
        await asyncio.gather(tracker.write_behind.flush(), other.write_behind.flush())
    assert await tracker.read([ONE]) == [LastUsed(int(clock()) - 1, 6, 60)]


async def test_a_clock_set_back_does_not_unsay_a_use(tracker: LastUsedTracker, clock: Clock) -> None:
    now = int(clock())
    tracker.note(ONE, requests=1)
    clock.advance(-100)
    tracker.note(ONE, requests=1)
    assert await tracker.read([ONE]) == [LastUsed(now, 2, 0)]


@pytest.mark.parametrize("doc", [None, [], 5, {"requests": "many", "last_used_at": True}])
async def test_a_document_that_is_not_ours_counts_from_nothing(
    tracker: LastUsedTracker, plain_store: Store, doc: Any, clock: Clock
) -> None:
    await plain_store.put(KIND, ONE, doc)
    tracker.note(ONE, requests=1)
    await tracker.write_behind.flush()
    assert await tracker.read([ONE]) == [LastUsed(int(clock()), 1, 0)]
