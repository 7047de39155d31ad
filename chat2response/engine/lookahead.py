"""Waiting for a first step, but not for ever (law 2).

The head of a streamed answer is held until the upstream's first event, for many backends answer 200 and
then an error. A slow model must not keep the client in the dark, so after a set time the head goes out.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Lookahead(Generic[T]):
    """An async iterator whose next step may be begun before it is wanted."""

    def __init__(self, source: AsyncIterator[T]) -> None:
        self.source = source
        self._pending: asyncio.Task[T] | None = None

    async def wait(self, deadline: float) -> bool:
        """Begins the next step; whether it was over by `deadline`, on the loop's clock.

        Its result, or error, is kept for `step()`.
        """
        seconds = deadline - asyncio.get_running_loop().time()
        if seconds <= 0:
            return False
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._advance())
        done, _ = await asyncio.wait({self._pending}, timeout=seconds)
        return bool(done)

    async def next(self) -> T:
        """The next step. Raises StopAsyncIteration at the end."""
        step, self._pending = self._pending, None
        if step is None:
            return await anext(self.source)
        try:
            return await step
        finally:
            del step  # its error would hold this frame, and this frame it: a cycle

    async def close(self) -> None:
        """Ends a step that nobody will take."""
        step, self._pending = self._pending, None
        if step is not None:
            step.cancel()
            await asyncio.wait({step})
            if not step.cancelled():
                step.exception()  # looked at, so that asyncio does not complain that nobody did

    async def _advance(self) -> T:
        return await anext(self.source)


def deadline_in(seconds: float) -> float:
    """That many seconds from now, on the loop's clock."""
    return asyncio.get_running_loop().time() + seconds
