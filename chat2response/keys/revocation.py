"""Hears what others do to keys, and ends what runs under a key that was revoked.

Other processes' changes come from the store's feed, our own are told by `look`. What the feed may have
missed, and what writers do that announce nothing, is found by looking at the keys of running calls from time
to time.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from chat2response.keys.record import KIND, read_entry
from chat2response.stores import MISSED, Store, StoreDown

LOOK_SECONDS = 0.5  # between two looks at the keys of running calls that nobody has told of
RETRY_SECONDS = 0.2  # while the store is away

_log = logging.getLogger(__name__)


class Running(Protocol):
    """The calls of this process, by their keys."""

    def key_ids(self) -> set[str]:
        """Those under which something runs."""
        ...

    def end_key(self, key_id: str) -> None:
        """End what runs under this one."""
        ...


class RevocationFollower:
    """`forget` is told each key that others changed, None for all.

    A call whose key reaches its end in time runs on: it was let in before.
    """

    def __init__(self, store: Store, forget: Callable[[str | None], None]) -> None:
        self._store = store
        self._forget = forget
        self._running: Running | None = None
        self._asked: set[str] = set()
        self._missed = False
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, running: Running | None) -> None:
        """Begins to listen; once. `running` None: calls run on whatever becomes of their key."""
        if not self._tasks:
            self._running = running
            self._tasks.append(asyncio.create_task(self._listen()))
            if running is not None:
                self._tasks.append(asyncio.create_task(self._keep_looking(running)))

    async def close(self) -> None:
        """Ends that."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def look(self, key_id: str | None) -> None:
        """This key has changed, or any may have (None): see whether what runs under it must end."""
        if key_id is None:
            self._missed = True
        else:
            self._asked.add(key_id)
        self._news.set()

    async def _listen(self) -> None:
        async for change in self._store.changes(KIND):
            key_id = None if change is MISSED else change
            self._forget(key_id)
            self.look(key_id)

    async def _keep_looking(self, running: Running) -> None:
        while True:
            asked = await self._next()
            # Also where nothing runs yet: a call that has shown its key may still be sending its body.
            ids = running.key_ids() if asked is None else asked
            try:
                await self._end_dead(running, sorted(ids))
            except StoreDown as down:
                _log.debug("the keys of running calls cannot be looked at now: %s", down.internal)
                for id in ids:
                    self.look(id)
                await asyncio.sleep(RETRY_SECONDS)

    async def _next(self) -> set[str] | None:
        """The keys to look at; None for all, when something was missed, or nothing was heard for a while."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return None
        self._news.clear()
        asked, self._asked = self._asked, set()
        missed, self._missed = self._missed, False
        return None if missed else asked

    async def _end_dead(self, running: Running, ids: list[str]) -> None:
        entries = await self._store.get_many(KIND, ids) if ids else []
        for id, entry in zip(ids, entries, strict=True):
            key = None if entry is None else read_entry(id, entry)
            if key is None or key.revoked_at is not None:
                _log.info("key %s was revoked: nothing runs under it any more", id)
                running.end_key(id)
