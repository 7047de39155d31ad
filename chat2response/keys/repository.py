"""The repository of keys: reads, adds, changes and removes their records in a store.

Each change is a compare-and-set on the stored document, never on a cached key, so that changes of several
processes do not undo each other, and unknown fields survive.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import merge
from typing import Any

from chat2response.errors import InvalidRequest
from chat2response.keys import idempotency, last_used
from chat2response.keys.actor import GATEWAY, Actor
from chat2response.keys.audit import Audit
from chat2response.keys.expiry_policy import MAX_TIMESTAMP
from chat2response.keys.last_used import LastUsedTracker
from chat2response.keys.listing import Filter, KeyPage, page
from chat2response.keys.record import KIND, ApiKey, compact, read_entry
from chat2response.keys.tokens.token import is_key_id
from chat2response.stores import ABSENT, Entry, Store, StoreDown

MIN_PURGE_AGE = idempotency.SECONDS
"""Seconds a key must be inactive before a purge: as long as a repeated creation is recognised."""
_SCAN_SIZE = 200  # keys in one scan of the store
_LONG_SCAN_SIZE = 500
_SHORTEST_TTL = 0.001  # seconds; the shortest that every store can represent

_NOT_CHANGED = (
    "The key store did not save the change. Assume that the keys are unchanged. "
    "{advice} Then try again; repeating a change that was saved does no harm"
)

Keys = list[ApiKey]  # an alias, because inside KeyRepository `list` is a method
SortedRuns = list[Keys]
Watcher = Callable[[str], None]
Watchers = list[Watcher]
Edit = Callable[[ApiKey], Mapping[str, Any] | None]


class KeyRepository:
    """Keys in a `store`, the `audit` log of their changes, and when they were `last_used`.

    One per process and store, so that a verifier learns of this process's changes. `clock`: epoch seconds.
    Every method raises StoreDown.
    """

    def __init__(
        self, store: Store, *, clock: Callable[[], float] = time.time, audit: Audit | None = None
    ) -> None:
        self.store = store
        self.clock = clock
        self.audit = audit or Audit(store, clock=clock)
        self.last_used = LastUsedTracker(store, clock=clock)
        self._on_created: Watchers = []
        self._on_changed: Watchers = []

    def watch(self, *, on_created: Watcher, on_changed: Watcher) -> None:
        """Call these with the id of each key that this process creates, or that it may have changed."""
        self._on_created.append(on_created)
        self._on_changed.append(on_changed)

    async def read(self, id: str) -> Entry | None:
        """The record as it is stored."""
        return await self.store.get(KIND, id)

    async def get(self, id: str) -> ApiKey | None:
        """The key; None if there is none or its record is invalid."""
        entry = await self.read(id) if is_key_id(id) else None
        return None if entry is None else read_entry(id, entry)

    async def list(self) -> Keys:
        """All keys, also revoked and expired ones, oldest first. Other tasks run in between."""
        seen: set[str] = set()  # a scan may return a key twice
        runs: SortedRuns = []
        async for entries in self._scans(_LONG_SCAN_SIZE):
            new = {id: entry for id, entry in entries if id not in seen}
            keys = (key for id, entry in new.items() if (key := read_entry(id, entry)) is not None)
            runs.append(sorted(keys, key=ApiKey.sort_key))
            seen |= set(new)
        result: Keys = []
        for key in merge(*runs, key=ApiKey.sort_key):
            result.append(key)
            if len(result) % _LONG_SCAN_SIZE == 0:
                await asyncio.sleep(0)
        return result

    async def page(
        self, key_filter: Filter | None = None, *, cursor: str | None = None, limit: int = 100
    ) -> KeyPage:
        """A page of keys. Raises InvalidRequest."""
        return await page(self.store, key_filter or Filter(), self.clock(), cursor=cursor, limit=limit)

    async def purge(self, older_than: int, *, limit: int = 10_000, by: Actor = GATEWAY) -> tuple[int, bool]:
        """Remove keys that have been inactive for `older_than` seconds, and their counted use.

        Stops soon after `limit` keys. Returns their number, and whether there may be more. Raises
        InvalidRequest.
        """
        _check_age(older_than)
        purged = 0
        async for entries in self._scans(_SCAN_SIZE):
            if purged >= limit:
                return purged, True
            purged += await self._remove(self._purgeable(entries, older_than), by)
        return purged, False

    async def count_purgeable(self, older_than: int) -> int:
        """How many keys a purge would remove now. Raises InvalidRequest."""
        _check_age(older_than)
        scans = self._scans(_LONG_SCAN_SIZE)
        return sum([len(self._purgeable(entries, older_than)) async for entries in scans])

    async def _scans(self, size: int) -> AsyncIterator[Sequence[tuple[str, Entry]]]:
        """All records, in batches. Other tasks run in between, even if the store never waits."""
        cursor = None
        while True:
            step = await self.store.scan(KIND, cursor=cursor, limit=size)
            yield step.entries
            if (cursor := step.cursor) is None:
                return
            await asyncio.sleep(0)

    def _purgeable(self, entries: Sequence[tuple[str, Entry]], older_than: int) -> dict[str, Entry]:
        now = self.clock()
        purgeable = {}
        for id, entry in entries:
            key = read_entry(id, entry)
            since = None if key is None else key.inactive_since(now)
            if since is not None and since <= now - older_than:
                purgeable[id] = entry
        return purgeable

    async def _remove(self, entries: Mapping[str, Entry], by: Actor) -> int:
        if not entries:
            return 0
        with _change_errors():
            await self.audit.record("key.purged", by, *entries)
            uses = await self.store.get_many(last_used.KIND, [*entries])
            each = zip(entries.items(), uses, strict=True)
            return sum(await asyncio.gather(*(self._remove_one(id, entry, use) for (id, entry), use in each)))

    async def _remove_one(self, id: str, entry: Entry, use: Entry | None) -> bool:
        # Unlike a delete, this fails if somebody has changed the key's expiry meanwhile.
        if not await self.store.put(KIND, id, entry.doc, ttl=_SHORTEST_TTL, expect=entry.tag):
            return False
        self._notify_changed(id)
        if use is not None:
            await self.store.delete(last_used.KIND, id)
        return True

    async def add(self, key: ApiKey, action: str, by: Actor) -> bool:
        """Store a new key's record; False if the id is taken."""
        document = key.document()
        changes = {name: value for name, value in document.items() if value is not None}
        with _change_errors():
            await self.audit.record(action, by, key.id, changes=changes)
            if not await self.store.put(KIND, key.id, document, expect=ABSENT):
                return False
        for watcher in self._on_created:
            watcher(key.id)
        return True

    async def change(self, id: str, edit: Edit, action: str, by: Actor) -> ApiKey | None:
        """Apply `edit` to the record; None if there is no record, or `edit` returns None."""
        if not is_key_id(id):
            return None
        try:
            with _change_errors():
                return await self._compare_and_set(id, edit, action, by)
        finally:
            self._notify_changed(id)

    async def _compare_and_set(self, id: str, edit: Edit, action: str, by: Actor) -> ApiKey | None:
        audited = False
        while True:
            entry = await self.read(id)
            if entry is None or (key := read_entry(id, entry)) is None or (fields := edit(key)) is None:
                return None
            if not audited:
                await self.audit.record(action, by, id, changes=fields)
                audited = True
            changed = compact({**entry.doc, **fields})
            if await self.store.put(KIND, id, changed, expect=entry.tag):
                return ApiKey.read(changed)

    def _notify_changed(self, id: str) -> None:
        for watcher in self._on_changed:
            watcher(id)


@contextmanager
def _change_errors() -> Iterator[None]:
    """Give a StoreDown of a change a message that tells the caller what to assume and what to do."""
    try:
        yield
    except StoreDown as down:
        advice = down.advice or "Repair the store."
        raise StoreDown(down.internal or "", message=_NOT_CHANGED.format(advice=advice)) from down


def _check_age(older_than: int) -> None:
    if type(older_than) is not int or not MIN_PURGE_AGE <= older_than <= MAX_TIMESTAMP:
        raise InvalidRequest(
            f"older_than_seconds must be a whole number between {MIN_PURGE_AGE} and {MAX_TIMESTAMP}",
            param="older_than_seconds",
        )
