"""Cancellation: a call to a store ends with its caller, even if the library swallows the cancellation."""

import asyncio
import random
from collections.abc import Callable

import pytest

from chat2response.stores.cancellation import heed_cancellation
from chat2response.stores.redis.store import RedisStore


async def swallow_cancellation(started: asyncio.Event, then: Exception | None = None) -> str:
    """Swallow a cancellation, like `asyncio.wait_for` before Python 3.12."""
    started.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if then is not None:
            raise then from None
    return "done"


@pytest.mark.parametrize("then", [None, OSError("reset")], ids=["result", "error"])
async def test_a_cancellation_counts_whatever_the_work_makes_of_it(then: Exception | None) -> None:
    started = asyncio.Event()
    task = asyncio.ensure_future(heed_cancellation(swallow_cancellation(started, then)))
    await started.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_deadline_around_it_stays_a_deadline() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await heed_cancellation(swallow_cancellation(asyncio.Event()))


async def test_one_that_came_before_is_none() -> None:
    """Cleanup after a cancellation can still call the store."""

    async def clean_up() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(await heed_cancellation(asyncio.sleep(0, "settled")))
        return "not reached"

    cleaned: list[str] = []
    task = asyncio.ensure_future(clean_up())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert cleaned == ["settled"]


async def test_calls_to_redis_that_are_cancelled_at_any_moment_end(
    store_address: Callable[[str], str],
) -> None:
    """More calls than connections, cancelled at random, like clients that disconnect during admission."""
    store, rng = RedisStore(store_address("redis")), random.Random(1)
    await store.open()

    async def admission() -> None:
        await store.lease("slots", "k", 1, ttl=60.0)
        await asyncio.Event().wait()

    async def cancel_later(call: "asyncio.Task[None]") -> None:
        for _ in range(rng.randrange(40)):
            await asyncio.sleep(0)
        call.cancel()

    for _ in range(5):
        crowd = [asyncio.ensure_future(admission()) for _ in range(60)]
        await asyncio.gather(*map(cancel_later, crowd))
        _, pending = await asyncio.wait(crowd, timeout=10)
        for call in pending:
            call.cancel()
        assert not pending
    await store.close()
