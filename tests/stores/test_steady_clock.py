"""The steady clock: a jump of the wall clock loses no count."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chat2response.stores import MemoryStore, Store
from chat2response.stores.sqlite.store import SqliteStore
from chat2response.stores.steady_clock import ACCEPT_SECONDS, JUMP_SECONDS, SteadyClock
from tests.support.clock_and_ids import Clock

DAY = 86_400.0
JUMP = 40 * DAY


class Clocks:
    """A wall clock that can jump, and a monotonic clock."""

    def __init__(self) -> None:
        self.wall = Clock()
        self.monotonic = Clock(5.0)

    def steady(self) -> SteadyClock:
        """A steady clock that starts now."""
        return SteadyClock(self.wall, self.monotonic)

    def pass_(self, seconds: float) -> None:
        """Advance both clocks."""
        self.wall.advance(seconds)
        self.monotonic.advance(seconds)


def test_without_a_step_it_is_the_wall_clock() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    for seconds in (0.0, 1.0, 3 * DAY):
        clocks.pass_(seconds)
        assert steady() == clocks.wall()
    for _ in range(100):  # a clock that drifts is corrected often
        clocks.pass_(60)
        clocks.wall.advance(JUMP_SECONDS - 1)
        assert steady() == clocks.wall()


def test_a_step_ahead_is_believed_when_it_has_lasted() -> None:
    clocks = Clocks()
    steady, before = clocks.steady(), clocks.wall()
    clocks.wall.advance(JUMP)
    assert steady() == before
    clocks.pass_(ACCEPT_SECONDS - 1)
    assert steady() == before + ACCEPT_SECONDS - 1
    clocks.pass_(1)
    assert steady() == clocks.wall()
    clocks.pass_(1)
    assert steady() == clocks.wall()


def test_a_step_that_is_taken_back_was_none() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    for _ in range(3):
        clocks.wall.advance(JUMP)
        steady()
        clocks.pass_(ACCEPT_SECONDS - 1)
        steady()
        clocks.wall.advance(-JUMP)
        assert steady() == clocks.wall()


def test_a_step_back_is_believed_at_once() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.wall.advance(-JUMP)
    assert steady() == clocks.wall()
    clocks.wall.advance(JUMP / 2)
    assert steady() == clocks.wall() - JUMP / 2


Opened = Callable[[Clocks], Store]


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Open a store: for SQLite on one shared file, like another process; a memory store is always new."""
    if request.param == "memory":
        return lambda clocks: MemoryStore(clock=clocks.wall, monotonic=clocks.monotonic)
    path = tmp_path / "docs.db"
    return lambda clocks: SqliteStore(path, clock=clocks.wall, monotonic=clocks.monotonic)


async def look(store: Store, key: str, **more: float) -> int:
    """The amount that is used of a ledger."""
    return (await store.lease("books", key, 0, ttl=60, **more)).used  # type: ignore[arg-type]


async def test_a_clock_that_jumps_ahead_empties_no_ledger(opened: Opened) -> None:
    """Settled and leased amounts survive, during the jump and after it, although the store sweeps."""
    clocks = Clocks()
    store = opened(clocks)
    settled = await store.lease("books", "day", 9, ttl=60, window=2 * DAY)
    running = await store.lease("books", "slots", 1, ttl=60)
    assert settled.id is not None
    assert running.id is not None
    await store.settle("books", "day", settled.id, 5)
    await store.add("books", "requests", 7, ttl=180)
    for jump in (JUMP, -JUMP):
        clocks.wall.advance(jump)
        clocks.pass_(20)
        for n in range(3):  # each may sweep
            clocks.pass_(5)
            await store.put("things", f"k{n}", n, ttl=1)
        assert await look(store, "day", window=2 * DAY) == 5
        assert await store.add("books", "requests", 0) == 7
        assert await look(store, "slots") == 1
        assert await store.renew("books", "slots", running.id, 1, ttl=60)
    await store.close()


async def test_what_is_settled_while_the_clock_is_ahead_counts_when_it_is_back(opened: Opened) -> None:
    clocks = Clocks()
    store = opened(clocks)
    before = await store.lease("books", "day", 9, ttl=60, window=2 * DAY)
    clocks.wall.advance(JUMP)
    during = await store.lease("books", "day", 9, ttl=60, window=2 * DAY)
    assert before.id is not None
    assert during.id is not None
    await store.settle("books", "day", before.id, 3)
    await store.settle("books", "day", during.id, 4)
    clocks.wall.advance(-JUMP)
    assert await look(store, "day", window=2 * DAY) == 7
    await store.close()


async def test_a_jump_that_lasts_is_the_time(opened: Opened) -> None:
    clocks = Clocks()
    store = opened(clocks)
    await store.add("books", "requests", 7, ttl=180)
    clocks.wall.advance(JUMP)
    assert await store.add("books", "requests", 0) == 7
    clocks.pass_(ACCEPT_SECONDS)
    assert await store.add("books", "requests", 0) == 0
    await store.close()


async def test_a_ledger_that_begins_while_a_step_is_not_believed_yet_outlives_it(opened: Opened) -> None:
    """A machine resumes after days: what its calls use from now on counts for the whole day."""
    clocks = Clocks()
    store = opened(clocks)
    await look(store, "yesterday", window=2 * DAY)
    clocks.wall.advance(JUMP)
    lease = await store.lease("books", "today", 9, ttl=60, window=2 * DAY)
    assert lease.id is not None
    await store.settle("books", "today", lease.id, 5)
    clocks.pass_(ACCEPT_SECONDS)
    assert await look(store, "today", window=2 * DAY) == 5
    await store.close()


async def test_a_lease_of_a_process_whose_clock_is_ahead_ends_in_time(tmp_path: Path) -> None:
    """The process started while the clock was wrong, and died."""
    right, wrong = Clocks(), Clocks()
    wrong.wall.advance(JUMP)
    stores = [SqliteStore(tmp_path / "docs.db", clock=c.wall, monotonic=c.monotonic) for c in (right, wrong)]
    await stores[1].lease("books", "slots", 1, ceiling=1, ttl=60)
    assert (await stores[0].lease("books", "slots", 1, ceiling=1, ttl=60)).id is None
    right.pass_(61)
    assert (await stores[0].lease("books", "slots", 1, ceiling=1, ttl=60)).id is not None
    for store in stores:
        await store.close()
