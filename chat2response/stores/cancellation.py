"""Restores cancellations that a library swallows.

redis-py writes with `asyncio.wait_for`. Before Python 3.12, if the result is already there, it returns it and
drops the cancellation of its task (bpo-37658). Then a call whose client had disconnected ran on for ever.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def heed_cancellation(work: Awaitable[T]) -> T:
    """Await `work`; raise CancelledError if the task was cancelled meanwhile, whatever `work` did."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        return await work
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError
