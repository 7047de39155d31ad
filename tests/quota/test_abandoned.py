"""An abandoned call leaves nothing reserved, wherever it was abandoned."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal

import pytest

from chat2response.keys.record import ApiKey
from chat2response.quota.admission import RENEW_SECONDS, Admission, Grant
from chat2response.quota.windows import KIND, windows_of
from chat2response.stores import Lease, StoreDown
from chat2response.stores.memory import MemoryStore
from tests.quota.test_admission import ESTIMATE, NOON, PRICES, key, used

Fate = Literal["never", "unheard", "late"]
"""What becomes of a store call whose caller leaves: it never happens, its reply is not seen, or it happens
after everything else.
"""

LIMITS: dict[str, Any] = {
    "requests_per_minute": 100,
    "concurrent_requests": 1,
    "tokens_per_day": 60,
    "cost_per_day": 100,
}


class Hesitant(MemoryStore):
    """A store whose call number `at` is abandoned by its caller."""

    def __init__(self, at: int, fate: Fate, leave: Callable[[], object]) -> None:
        super().__init__(clock=lambda: NOON)
        self.late: list[Callable[[], Awaitable[Any]]] = []
        self.calls = 0
        self.at = at
        self._fate = fate
        self._leave = leave

    async def lease(self, *args: Any, **named: Any) -> Lease:
        return await self._call(partial(super().lease, *args, **named))

    async def renew(self, *args: Any, **named: Any) -> bool:
        return await self._call(partial(super().renew, *args, **named))

    async def settle(self, *args: Any, **named: Any) -> None:
        return await self._call(partial(super().settle, *args, **named))

    async def add(self, *args: Any, **named: Any) -> int | None:
        return await self._call(partial(super().add, *args, **named))

    async def _call(self, work: Callable[[], Awaitable[Any]]) -> Any:
        self.calls += 1
        if self.calls != self.at:
            await asyncio.sleep(0)
            return await work()
        if self._fate == "unheard":
            await work()
        elif self._fate == "late":
            self.late.append(work)
        self._leave()
        return await asyncio.Event().wait()  # until the caller is cancelled


async def window_use(store: MemoryStore, who: ApiKey) -> dict[str, int]:
    """The use of each limit that has leases."""
    assert who.limits is not None
    return {
        each.limit: (await store.lease(KIND, each.key, 0, ttl=60, window=each.ttl)).used
        for each in windows_of(who.id, who.limits, NOON)
        if each.measure != "requests"
    }


async def drained(admission: Admission) -> None:
    """Waits until no settlement is left."""
    async with asyncio.timeout(10):
        while admission.settlements.waiting or admission.settlements.busy:  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.mark.parametrize("fate", ["never", "unheard", "late"])
@pytest.mark.parametrize("at", range(1, 9))
async def test_a_call_that_is_cancelled_at_any_call_to_the_store_leaves_nothing_reserved(
    at: int, fate: Fate
) -> None:
    """Calls 1 to 4 belong to the admission, 5 to 7 to the settlement: from then on the use counts."""
    who = key(**LIMITS)
    task: asyncio.Task[None]
    store = Hesitant(at, fate, lambda: task.cancel())
    admission = Admission(store, PRICES, clock=lambda: NOON)
    entered: list[Grant] = []

    async def call() -> None:
        grant = await admission.enter(who, ESTIMATE)
        entered.append(grant)
        grant.usage(used(10, 5))
        await grant.leave()

    task = asyncio.create_task(call())
    await asyncio.wait({task})
    assert task.cancelled() == (at <= 7)
    store.at = 0
    await drained(admission)
    for work in store.late:
        await work()
    assert not admission.live
    tokens, cost = (15, 20) if entered else (0, 0)
    assert await window_use(store, who) == {
        "concurrent_requests": 0,
        "tokens_per_day": tokens,
        "cost_per_day": cost,
    }
    await admission.close()


@pytest.mark.parametrize("fate", ["never", "unheard", "late"])
@pytest.mark.parametrize("at", range(1, 9))
async def test_a_refusal_that_is_cancelled_leaves_nothing_reserved(at: int, fate: Fate) -> None:
    """Calls 1 to 5 belong to the admission, whose last limit refuses the call; then all is released."""
    who = key(**{**LIMITS, "tokens_per_day": 1000, "cost_per_day": 1})
    task: asyncio.Task[Grant]
    store = Hesitant(at, fate, lambda: task.cancel())
    admission = Admission(store, PRICES, clock=lambda: NOON)
    task = asyncio.create_task(admission.enter(who, ESTIMATE))
    await asyncio.wait({task})
    assert task.cancelled() == (at <= 7), "four to reserve, one request and two leases to give back"
    store.at = 0
    await drained(admission)
    for work in store.late:
        await work()
    assert set((await window_use(store, who)).values()) == {0}
    await admission.close()


async def test_a_task_that_is_cancelled_before_its_settlement_begins_settles_all_the_same() -> None:
    """Even a second cancellation, during `leave`."""
    store = MemoryStore(clock=lambda: NOON)
    admission, who = Admission(store, PRICES, clock=lambda: NOON), key(**LIMITS)
    grant = await admission.enter(who, ESTIMATE)
    grant.usage(used(10, 5))
    task = asyncio.create_task(grant.leave())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    await drained(admission)
    assert (await window_use(store, who))["tokens_per_day"] == 15
    await admission.close()


class Slow(MemoryStore):
    """A store that replies to `lease` only after the deadline, although it takes the lease."""

    slow = True
    down = False

    async def lease(self, *args: Any, **named: Any) -> Lease:
        lease = await super().lease(*args, **named)
        if self.slow:
            raise StoreDown("no answer in time")
        return lease

    async def settle(self, *args: Any, **named: Any) -> None:
        if self.down:
            raise StoreDown("away")
        await super().settle(*args, **named)


async def test_an_answer_that_comes_after_the_deadline_leaves_nothing_reserved() -> None:
    store, who = Slow(clock=lambda: NOON), key(concurrent_requests=1)
    admission = Admission(store, PRICES, clock=lambda: NOON)
    for _ in range(3):
        with pytest.raises(StoreDown):
            await admission.enter(who, ESTIMATE)
    store.slow = False
    await drained(admission)
    await (await admission.enter(who, ESTIMATE)).leave()
    await admission.close()


async def test_what_is_given_back_while_the_store_is_away_waits_for_it() -> None:
    store, who = Slow(clock=lambda: NOON), key(concurrent_requests=1)
    admission = Admission(store, PRICES, clock=lambda: NOON)
    store.down = True
    with pytest.raises(StoreDown):
        await admission.enter(who, ESTIMATE)
    store.down = store.slow = False
    await admission.close()  # a shutdown waits for it, too
    assert await window_use(store, who) == {"concurrent_requests": 0}


async def test_a_lease_that_the_store_has_lost_is_taken_anew_while_its_call_runs() -> None:
    now = NOON
    store, who = MemoryStore(clock=lambda: now), key(concurrent_requests=1, tokens_per_day=100)
    admission = Admission(store, PRICES, clock=lambda: now)
    grant = await admission.enter(who, ESTIMATE)
    for each in grant.reservations:
        await store.delete(KIND, each.window.key)
    now += RENEW_SECONDS
    await admission.renew()
    assert await window_use(store, who) == {"concurrent_requests": 1, "tokens_per_day": 30}
    grant.usage(used(10, 5))
    await grant.leave()
    assert await window_use(store, who) == {"concurrent_requests": 0, "tokens_per_day": 15}
    await admission.close()


@pytest.mark.parametrize("fate", ["never", "unheard", "late"])
@pytest.mark.parametrize("lost", [False, True])
async def test_a_renewal_that_comes_after_the_end_of_its_call_takes_nothing(fate: Fate, lost: bool) -> None:
    """Call 2 renews the slot; if the store has lost it, call 3 takes it again."""
    now, who = NOON, key(concurrent_requests=1)
    task: asyncio.Task[None]
    store = Hesitant(3 if lost else 2, fate, lambda: task.cancel())
    admission = Admission(store, PRICES, clock=lambda: now)
    grant = await admission.enter(who, ESTIMATE)
    if lost:
        await store.delete(KIND, grant.reservations[0].window.key)
    now += RENEW_SECONDS
    task = asyncio.create_task(admission.renew())
    await asyncio.wait({task})
    assert task.cancelled()
    store.at = 0
    await grant.leave()
    store.at = 0
    await drained(admission)
    for work in store.late:
        await work()
    assert await window_use(store, who) == {"concurrent_requests": 0}
    await admission.close()
