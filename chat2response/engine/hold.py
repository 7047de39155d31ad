"""Waiting for a first step, but not for ever (law 2).

The head of a streamed answer is held until the upstream's first event, for many backends answer 200 and
then an error. A slow model must not keep the client in the dark, so after a set time the head goes out.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """An async iterator whose next step may be begun before it is wanted."""

    def __init__(self, source: AsyncIterator[T]) -> None:
        self.source = source
        self._step: asyncio.Task[T] | None = None

    async def wait(self, seconds: float) -> bool:
        """Begins the next step; whether it was over within `seconds` (its result, or error, is kept)."""
        if self._step is None:
            self._step = asyncio.ensure_future(self._next())
        try:
            done, _ = await asyncio.wait({self._step}, timeout=seconds)
        except asyncio.CancelledError:
            self._step.cancel()
            raise
        return bool(done)

    async def step(self) -> T:
        """The next step. Raises StopAsyncIteration at the end."""
        step, self._step = self._step, None
        return await (step if step is not None else anext(self.source))

    async def close(self) -> None:
        """Ends a step that nobody will take."""
        if self._step is not None:
            self._step.cancel()
            await asyncio.wait({self._step})
            if not self._step.cancelled():
                self._step.exception()

    async def _next(self) -> T:
        return await anext(self.source)
