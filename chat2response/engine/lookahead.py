"""Waits for the first event of a stream, up to a deadline (law 2, errors before the first byte are statuses).

Many backends answer 200 and then send an error, so the response's head waits for the upstream's first event.
A slow model must not leave the client without any response, so the head goes out after a set time.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Lookahead(Generic[T]):
    """An async iterator whose next item can be awaited before it is taken."""

    def __init__(self, source: AsyncIterator[T]) -> None:
        self.source = source
        self._pending: asyncio.Task[T] | None = None

    async def wait(self, deadline: float) -> bool:
        """Starts the next step, and returns whether it finished by `deadline` (on the loop's clock).

        `next()` returns its result, or raises its error.
        """
        seconds = deadline - asyncio.get_running_loop().time()
        if seconds <= 0:
            return False
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._advance())
        done, _ = await asyncio.wait({self._pending}, timeout=seconds)
        return bool(done)

    async def next(self) -> T:
        """The next item. Raises StopAsyncIteration at the end."""
        step, self._pending = self._pending, None
        if step is None:
            return await anext(self.source)
        try:
            return await step
        finally:
            del step  # its error refers to this frame, and this frame to the error: a reference cycle

    async def close(self) -> None:
        """Cancels a step that has not been taken, and ends a source that was left in the middle."""
        step, self._pending = self._pending, None
        if step is not None:
            step.cancel()
            await asyncio.wait({step})
            if not step.cancelled():
                step.exception()  # retrieve it, or asyncio logs that nobody did
        if isinstance(self.source, AsyncGenerator):
            await self.source.aclose()  # it may refer to who refers to this: a reference cycle

    async def _advance(self) -> T:
        return await anext(self.source)


def deadline_in(seconds: float) -> float:
    """The time `seconds` from now, on the loop's clock."""
    return asyncio.get_running_loop().time() + seconds
