"""A call to a store ends with its caller, whatever the library in between does with the cancellation."""

import asyncio
import random
from collections.abc import Callable

import pytest

from chat2response.stores.cancellation import heed_cancellation
from chat2response.stores.redis.store import RedisStore


async def swallowing(begun: asyncio.Event, then: Exception | None = None) -> str:
    """As `asyncio.wait_for` does before Python 3.12."""
    begun.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if then is not None:
            raise then from None
    return "done"


@pytest.mark.parametrize("then", [None, OSError("reset")], ids=["result", "error"])
async def test_a_cancellation_counts_whatever_the_work_makes_of_it(then: Exception | None) -> None:
    begun = asyncio.Event()
    task = asyncio.ensure_future(heed_cancellation(swallowing(begun, then)))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_deadline_around_it_stays_a_deadline() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await heed_cancellation(swallowing(asyncio.Event()))


async def test_one_that_came_before_is_none() -> None:
    """Who cleans up after a cancellation still asks the store."""

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
    """A crowd on more connections than there are, as clients that hang up in the middle of admission."""
    store, rng = RedisStore(store_address("redis")), random.Random(1)
    await store.open()

    async def admission() -> None:
        await store.lease("slots", "k", 1, ttl=60.0)
        await asyncio.Event().wait()

    async def hang_up(call: "asyncio.Task[None]") -> None:
        for _ in range(rng.randrange(40)):
            await asyncio.sleep(0)
        call.cancel()

    for _ in range(5):
        crowd = [asyncio.ensure_future(admission()) for _ in range(60)]
        await asyncio.gather(*map(hang_up, crowd))
        _, pending = await asyncio.wait(crowd, timeout=10)
        for call in pending:
            call.cancel()
        assert not pending
    await store.close()
