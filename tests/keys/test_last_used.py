"""The use of keys, on each store; how counts get there is told in `test_tally`."""

import asyncio
from typing import Any

import pytest

from chat2response.keys.last_used import KIND, LastUsed, LastUsedTracker
from chat2response.stores import Store
from tests.support.clock_and_ids import Clock

ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture
def use(plain_store: Store, clock: Clock) -> LastUsedTracker:
    return LastUsedTracker(plain_store, clock=clock)


async def test_what_is_noted_is_read_at_once_and_stays_when_it_is_written(
    use: LastUsedTracker, plain_store: Store, clock: Clock
) -> None:
    now = int(clock())
    use.note(ONE, requests=1)
    clock.advance(5)
    use.note(ONE, requests=1, tokens=40)
    use.note(ONE, tokens=2)
    wanted = [LastUsed(now + 5, 2, 42), LastUsed()]
    assert await use.read([ONE, TWO]) == wanted
    assert await plain_store.get(KIND, ONE) is None
    await use.tally.flush()
    assert await use.read([ONE, TWO]) == wanted
    assert await LastUsedTracker(plain_store).read([ONE, TWO]) == wanted
    assert await use.read([]) == []


async def test_processes_add_up(use: LastUsedTracker, plain_store: Store, clock: Clock) -> None:
    other = LastUsedTracker(plain_store, clock=clock)
    for _ in range(3):
        for each in (use, other):
            each.note(ONE, requests=1, tokens=10)
        clock.advance(1)
        await asyncio.gather(use.tally.flush(), other.tally.flush())
    assert await use.read([ONE]) == [LastUsed(int(clock()) - 1, 6, 60)]


async def test_a_clock_set_back_does_not_unsay_a_use(use: LastUsedTracker, clock: Clock) -> None:
    now = int(clock())
    use.note(ONE, requests=1)
    clock.advance(-100)
    use.note(ONE, requests=1)
    assert await use.read([ONE]) == [LastUsed(now, 2, 0)]


@pytest.mark.parametrize("doc", [None, [], 5, {"requests": "many", "last_used_at": True}])
async def test_a_document_that_is_not_ours_counts_from_nothing(
    use: LastUsedTracker, plain_store: Store, doc: Any, clock: Clock
) -> None:
    await plain_store.put(KIND, ONE, doc)
    use.note(ONE, requests=1)
    await use.tally.flush()
    assert await use.read([ONE]) == [LastUsed(int(clock()), 1, 0)]
