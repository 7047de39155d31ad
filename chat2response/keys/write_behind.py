"""Write-behind counters: counts in this process's memory, added to documents in the store at intervals.

A request only updates a dictionary. A crash loses at most one interval; counts that the store did not take
stay pending. A write with an unknown outcome is repeated, so after an outage a count may be too high.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from chat2response.stores import ABSENT, Entry, Store, StoreDown

FLUSH_SECONDS = 30.0
_BATCH = 200  # documents in one read

log = logging.getLogger(__name__)

Count = TypeVar("Count")


def _nothing() -> None:
    """The default for `gather`."""


class WriteBehind(Generic[Count]):
    """Counts by the key of their document.

    `read` makes a count from a document (None: there is none), `add` adds two counts, `write` makes the
    document. `ttl`: seconds from a document's last change to its expiry. `gather` is called before the counts
    are read, so that an owner can hand over counts of its own.
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
        self._pending: dict[str, Count] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, key: str, more: Count) -> None:
        """Add to the document's count."""
        pending = self._pending.get(key)
        self._pending[key] = more if pending is None else self._sum(pending, more)

    def pending(self, key: str) -> Count | None:
        """The count that is not written yet."""
        self._gather()
        return self._pending.get(key)

    def pending_keys(self) -> tuple[str, ...]:
        """The documents with counts that are not written yet."""
        self._gather()
        return tuple(self._pending)

    def start(self) -> None:
        """Start writing in the background. A second call does nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._flush_periodically())

    async def close(self) -> None:
        """Write what is pending. Counts that the store does not take now are lost; a warning is logged."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.flush()
        if self._pending:
            log.warning(
                "%d counts (%s) were lost: the store did not take them", len(self._pending), self._kind
            )

    async def flush(self) -> None:
        """Write what is pending. Counts that the store does not take stay pending."""
        self._gather()
        counts, self._pending = self._pending, {}
        try:
            for batch in _batches(counts):
                entries = await self._store.get_many(self._kind, batch)
                for key, entry in zip(batch, entries, strict=True):
                    await self._write_count(key, counts[key], entry)
                    del counts[key]
        except StoreDown as down:
            log.info("counts (%s) cannot be written now; they stay pending: %s", self._kind, down.internal)
        finally:
            for key, more in counts.items():
                self.add(key, more)

    async def _write_count(self, key: str, more: Count, entry: Entry | None) -> None:
        """By compare-and-set: other processes add to the same documents."""
        while True:
            document = self._write(self._sum(self._read(entry.doc if entry else None), more))
            expect = ABSENT if entry is None else entry.tag
            if await self._store.put(self._kind, key, document, ttl=self._ttl, expect=expect):
                return
            entry = await self._store.get(self._kind, key)

    async def _flush_periodically(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception:  # a bug must not stop the background task
                log.exception("writing counts (%s) failed", self._kind)


def _batches(names: Iterable[str]) -> list[list[str]]:
    keys = list(names)
    return [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)]
