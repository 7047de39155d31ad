"""Settles leases, in the background where necessary.

A settlement is tried at once. If the store does not accept it, or if the caller is gone, it waits here, and a
task retries until the store accepts it. So a reservation ends with its call rather than with its lease,
whether or not the store's replies were seen. Settling twice counts once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from chat2response.quota.windows import KIND
from chat2response.stores import Store, StoreDown

_MAX_WAITING = 10_000  # settlements that wait; beyond this the oldest expire with their leases
_BATCH_SIZE = 64
RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0, 5.0)

log = logging.getLogger(__name__)


class Settlement(NamedTuple):
    """The amount that replaces the reservation of a lease."""

    key: str
    lease: str
    used: int


class Settlements:
    """The settlements of one admission."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[Settlement] = deque(maxlen=_MAX_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """The number of settlements that wait."""
        return len(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether a task is settling."""
        return self._task is not None and not self._task.done()

    async def settle(self, settlements: Iterable[Settlement]) -> None:
        """Settles now, or later if the store is down or the caller is cancelled. Never raises StoreDown."""
        unsettled = {settlement.lease: settlement for settlement in settlements}
        if not unsettled:
            return

        async def settle_one(settlement: Settlement) -> None:
            with suppress(StoreDown):
                await self._store.settle(KIND, settlement.key, settlement.lease, settlement.used)
                del unsettled[settlement.lease]

        try:
            if len(unsettled) == 1:
                await settle_one(*unsettled.values())
            else:
                await asyncio.gather(*map(settle_one, tuple(unsettled.values())))
        finally:
            self.settle_later(unsettled.values())

    def settle_later(self, settlements: Iterable[Settlement]) -> None:
        """Settles in the background."""
        self._waiting.extend(settlements)
        if self._waiting and not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._settle_until_taken())

    async def settle_waiting(self) -> bool:
        """Settles what waits, once. Returns False if the store is down and some still wait."""
        while self._waiting:
            settlements = [self._waiting.popleft() for _ in range(min(_BATCH_SIZE, len(self._waiting)))]
            down = await self._settle_batch(settlements)
            if down is not None:
                log.info("the store does not accept settlements: %s", down.internal)
                return False
        return True

    async def close(self) -> None:
        """Settles what waits; what the store does not accept now expires with its lease."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.settle_waiting()

    async def _settle_batch(self, settlements: list[Settlement]) -> StoreDown | None:
        unsettled = dict.fromkeys(settlements)
        down: StoreDown | None = None

        async def settle_one(settlement: Settlement) -> None:
            nonlocal down
            try:
                await self._store.settle(KIND, settlement.key, settlement.lease, settlement.used)
                del unsettled[settlement]
            except StoreDown as error:
                down = error

        try:
            await asyncio.gather(*map(settle_one, settlements))
        finally:
            self._waiting.extendleft(reversed(unsettled))
        return down

    async def _settle_until_taken(self) -> None:
        attempts = 0
        while not await self.settle_waiting():
            if not attempts:
                log.warning("the store is down: %d settlements wait for it", self.waiting)
            await asyncio.sleep(RETRY_SECONDS[min(attempts, len(RETRY_SECONDS) - 1)])
            attempts += 1
