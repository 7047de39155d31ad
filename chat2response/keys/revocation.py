"""Follows changes of keys, invalidates cached ones, and ends the running calls of a revoked key.

Other processes' changes come from the store's change feed, this process's own by `recheck`. Changes that the
feed may have missed, or whose writers announce nothing, are found by reading the keys of running calls at
intervals.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from chat2response.keys.record import KIND, read_entry
from chat2response.stores import MISSED, Store, StoreDown

RECHECK_SECONDS = 0.5  # between two checks of the running calls' keys while the feed reports nothing
RETRY_SECONDS = 0.2  # while the store is down

log = logging.getLogger(__name__)


class RunningCalls(Protocol):
    """The running calls of this process, by key."""

    def key_ids(self) -> set[str]:
        """The keys of running calls."""
        ...

    def end_key(self, key_id: str) -> None:
        """End the calls of this key."""
        ...


class RevocationFollower:
    """Calls `invalidate` for each key that another process changes, with None for all keys.

    A call whose key expires while it runs continues: it was admitted before.
    """

    def __init__(self, store: Store, invalidate: Callable[[str | None], None]) -> None:
        self._store = store
        self._invalidate = invalidate
        self._calls: RunningCalls | None = None
        self._changed: set[str] = set()
        self._missed = False
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, calls: RunningCalls | None) -> None:
        """Start following; a second call does nothing. `calls` None: a revocation ends no call."""
        if not self._tasks:
            self._calls = calls
            self._tasks.append(asyncio.create_task(self._follow()))
            if calls is not None:
                self._tasks.append(asyncio.create_task(self._end_revoked_calls(calls)))

    async def close(self) -> None:
        """Stop following."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def recheck(self, key_id: str | None) -> None:
        """Check soon whether this key was revoked; None: check the keys of all running calls."""
        if key_id is None:
            self._missed = True
        else:
            self._changed.add(key_id)
        self._wake.set()

    async def _follow(self) -> None:
        async for change in self._store.changes(KIND):
            key_id = None if change is MISSED else change
            self._invalidate(key_id)
            self.recheck(key_id)

    async def _end_revoked_calls(self, calls: RunningCalls) -> None:
        while True:
            changed = await self._next()
            # Even if no call of the key runs yet: a call that passed authentication may still send its body.
            ids = calls.key_ids() if changed is None else changed
            try:
                await self._end_revoked(calls, sorted(ids))
            except StoreDown as down:
                log.debug("the keys of running calls cannot be checked now: %s", down.internal)
                for id in ids:
                    self.recheck(id)
                await asyncio.sleep(RETRY_SECONDS)

    async def _next(self) -> set[str] | None:
        """The changed keys; None for all, if a change was missed or none came for RECHECK_SECONDS."""
        try:
            async with asyncio.timeout(RECHECK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return None
        self._wake.clear()
        changed, self._changed = self._changed, set()
        missed, self._missed = self._missed, False
        return None if missed else changed

    async def _end_revoked(self, calls: RunningCalls, ids: list[str]) -> None:
        entries = await self._store.get_many(KIND, ids) if ids else []
        for id, entry in zip(ids, entries, strict=True):
            key = None if entry is None else read_entry(id, entry)
            if key is None or key.revoked_at is not None:
                log.info("key %s is revoked: its running calls end", id)
                calls.end_key(id)
