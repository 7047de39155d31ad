"""`Wakeup`: wakes the one task that waits for it. An `asyncio.Event` takes 700 bytes, of each open stream."""

import asyncio


class Wakeup:
    """Set from callbacks, awaited by one task."""

    __slots__ = ("_waiter", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wakes the task, or whoever waits next."""
        self.is_set = True
        if self._waiter is not None and not self._waiter.done():  # done: its task was cancelled
            self._waiter.set_result(None)

    def clear(self) -> None:
        """The next wait lasts until the next `set`."""
        self.is_set = False

    async def wait(self) -> None:
        """Waits until it is set."""
        while not self.is_set:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._waiter = None
