"""Settling leases, off the request's way where it must be.

Who waits for a settlement gets it at once. What the store does not take then, and what belongs to a caller
who has gone, waits here: a task settles it, again and again until the store takes it. So a reservation ends
with its call and not with its lease, whether or not anybody heard the answer to either. Settling twice counts
once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from chat2response.quota.windows import KIND
from chat2response.stores import Store, StoreDown

_MAX_WAITING = 10_000  # settlements that wait; the oldest beyond it run out as leases do
_BATCH_SIZE = 64
RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0, 5.0)

_log = logging.getLogger(__name__)


class Settlement(NamedTuple):
    """A lease of a ledger, and what takes its place."""

    key: str
    lease: str
    used: int


class Settlements:
    """One per admission."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[Settlement] = deque(maxlen=_MAX_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether some are being settled."""
        return self._task is not None and not self._task.done()

    async def settle(self, settlements: Iterable[Settlement]) -> None:
        """Now, or later where the store is away or the caller is cancelled. Never raises StoreDown."""
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
        """Whoever asks does not wait for it."""
        self._waiting.extend(settlements)
        if self._waiting and not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._settle_until_taken())

    async def settle_waiting(self) -> bool:
        """What waits now, once. False: the store is away, and some waits on."""
        while self._waiting:
            settlements = [self._waiting.popleft() for _ in range(min(_BATCH_SIZE, len(self._waiting)))]
            down = await self._settle_batch(settlements)
            if down is not None:
                _log.info("the store does not take what calls used: %s", down.internal)
                return False
        return True

    async def close(self) -> None:
        """Settles what waits; what the store does not take now runs out as leases do."""
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
                _log.warning("the store is away: what %d calls used waits until it is back", self.waiting)
            await asyncio.sleep(RETRY_SECONDS[min(attempts, len(RETRY_SECONDS) - 1)])
            attempts += 1
