"""Cancellations that a library swallows.

redis-py writes with `asyncio.wait_for`. Before Python 3.12 that returns a result which is there already, and
forgets that its task was cancelled (bpo-37658). A call whose client had hung up went on then, for ever.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def heed_cancellation(work: Awaitable[T]) -> T:
    """What `work` returns or raises; CancelledError if its task was cancelled meanwhile, whatever it did."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        return await work
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError
