"""Counts that are kept in this process, and added to documents in the store from time to time.

Off the way of any request: noting is a dictionary's work. Nothing is lost by more than one interval, and what
could not be written stays counted. A write whose outcome is not known is repeated, so that a count may be a
little high after the store was away.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from chat2response.stores import ABSENT, Entry, Store, StoreDown

FLUSH_SECONDS = 30.0
_BATCH = 200  # documents read at a time

_log = logging.getLogger(__name__)

Count = TypeVar("Count")


def _nothing() -> None:
    """There is nothing to gather."""


class WriteBehind(Generic[Count]):
    """Counts by the key of their document.

    `read` makes a count of a document (None: there is none), `add` both of two, `write` the document; `ttl`:
    seconds that a document outlives its last change; `gather`: is called before counts are looked at, for who
    collects some itself.
    """

    def __init__(
        self,
        store: Store,
        kind: str,
        *,
        read: Callable[[Any], Count],
        add: Callable[[Count, Count], Count],
        write: Callable[[Count], Any],
        ttl: float | None = None,
        gather: Callable[[], None] = _nothing,
    ) -> None:
        self._store = store
        self._kind = kind
        self._read = read
        self._sum = add
        self._write = write
        self._ttl = ttl
        self._gather = gather
        self._counted: dict[str, Count] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, key: str, more: Count) -> None:
        """So much more."""
        held = self._counted.get(key)
        self._counted[key] = more if held is None else self._sum(held, more)

    def counted(self, key: str) -> Count | None:
        """What is not written down yet."""
        self._gather()
        return self._counted.get(key)

    def unwritten(self) -> tuple[str, ...]:
        """The documents for which something is counted that is not written down yet."""
        self._gather()
        return tuple(self._counted)

    def start(self) -> None:
        """Begins to write down what is counted; once."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_writing())

    async def close(self) -> None:
        """Writes the rest; what the store does not take now is lost, and said."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.flush()
        if self._counted:
            _log.warning("%d counts (%s) could not be written down", len(self._counted), self._kind)

    async def flush(self) -> None:
        """Writes down what is counted. What the store does not take stays for the next time."""
        self._gather()
        counted, self._counted = self._counted, {}
        try:
            for batch in _batches(counted):
                entries = await self._store.get_many(self._kind, batch)
                for key, entry in zip(batch, entries, strict=True):
                    await self._add(key, counted[key], entry)
                    del counted[key]
        except StoreDown as down:
            _log.info("counts (%s) are not written down now: %s", self._kind, down.internal)
        finally:
            for key, more in counted.items():
                self.note(key, more)

    async def _add(self, key: str, more: Count, entry: Entry | None) -> None:
        """By compare-and-set: other processes count for the same documents."""
        while True:
            document = self._write(self._sum(self._read(entry.doc if entry else None), more))
            expect = ABSENT if entry is None else entry.tag
            if await self._store.put(self._kind, key, document, ttl=self._ttl, expect=expect):
                return
            entry = await self._store.get(self._kind, key)

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception:  # a bug must not end the counting for good
                _log.exception("counts (%s) could not be written down", self._kind)


def _batches(counted: Iterable[str]) -> list[list[str]]:
    keys = list(counted)
    return [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)]
