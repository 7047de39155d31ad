"""The records of keys in a store: read, added, changed, removed.

Each change is a compare-and-set on the stored document, never on a remembered key, so that changes of
several processes do not undo each other, and fields that are not ours survive.
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
from chat2response.keys.expiry_policy import LAST_MOMENT
from chat2response.keys.last_used import LastUsedTracker
from chat2response.keys.listing import Filter, KeyPage, page
from chat2response.keys.record import KIND, ApiKey, compact, read_entry
from chat2response.keys.tokens.token import is_key_id
from chat2response.stores import ABSENT, Entry, Store, StoreDown

LEAST_AGE = idempotency.SECONDS
"""Seconds a key must be dead before it may be purged: as long as a repeated creation is recognised."""
_STEP = 200  # keys looked at between two waits for the store
_LONG_STEP = 500
_AT_ONCE = 0.001  # seconds; the shortest life that every store knows

_NOT_CHANGED = (
    "The key store did not take the change: take every key to be as it was. "
    "{advice} Then ask again; it does no harm where it was done already"
)

Keys = list[ApiKey]  # named here, for inside KeyRepository `list` is a method
Runs = list[Keys]
Edit = Callable[[ApiKey], Mapping[str, Any] | None]


class KeyRepository:
    """Keys in a store, the `audit` of what is done to them, and their `use`. `clock`: epoch seconds.

    Every method raises StoreDown.
    """

    def __init__(
        self, store: Store, *, clock: Callable[[], float] = time.time, audit: Audit | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self.audit = audit or Audit(store, clock=clock)
        self.use = LastUsedTracker(store, clock=clock)

    def now(self) -> float:
        """The time that keys go by, in epoch seconds."""
        return self._clock()

    async def get(self, id: str) -> ApiKey | None:
        """The key; None where there is none that can be read."""
        entry = await self._store.get(KIND, id) if is_key_id(id) else None
        return None if entry is None else read_entry(id, entry)

    async def list(self) -> Keys:
        """All keys, revoked and expired ones too, oldest first; requests get their turn meanwhile."""
        seen: set[str] = set()  # a scan may meet a key twice
        runs: Runs = []
        async for entries in self._steps(_LONG_STEP):
            new = {id: entry for id, entry in entries if id not in seen}
            keys = (key for id, entry in new.items() if (key := read_entry(id, entry)) is not None)
            runs.append(sorted(keys, key=ApiKey.age))
            seen |= set(new)
        found: Keys = []
        for key in merge(*runs, key=ApiKey.age):
            found.append(key)
            if len(found) % _LONG_STEP == 0:
                await asyncio.sleep(0)
        return found

    async def page(
        self, wanted: Filter | None = None, *, cursor: str | None = None, limit: int = 100
    ) -> KeyPage:
        """Some keys, and where to go on. Raises InvalidRequest."""
        return await page(self._store, wanted or Filter(), self._clock(), cursor=cursor, limit=limit)

    async def purge(self, older_than: int, *, limit: int = 10_000, by: Actor = GATEWAY) -> tuple[int, bool]:
        """Remove keys that have been dead for `older_than` seconds, with what is known of their use.

        At most about `limit` keys; returns how many, and whether there may be more. Raises InvalidRequest.
        """
        _check_age(older_than)
        purged = 0
        async for entries in self._steps(_STEP):
            if purged >= limit:
                return purged, True
            purged += await self._remove(self._dead(entries, older_than), by)
        return purged, False

    async def dead(self, older_than: int) -> int:
        """How many keys a purge would remove now. Raises InvalidRequest."""
        _check_age(older_than)
        return sum([len(self._dead(entries, older_than)) async for entries in self._steps(_LONG_STEP)])

    async def _steps(self, size: int) -> AsyncIterator[Sequence[tuple[str, Entry]]]:
        """All records, some at a time; others get their turn in between, on a store that never waits too."""
        cursor = None
        while True:
            step = await self._store.scan(KIND, cursor=cursor, limit=size)
            yield step.entries
            if (cursor := step.cursor) is None:
                return
            await asyncio.sleep(0)

    def _dead(self, entries: Sequence[tuple[str, Entry]], older_than: int) -> dict[str, Entry]:
        now = self._clock()
        found = {}
        for id, entry in entries:
            key = read_entry(id, entry)
            since = None if key is None else key.dead_since(now)
            if since is not None and since <= now - older_than:
                found[id] = entry
        return found

    async def _remove(self, dead: Mapping[str, Entry], by: Actor) -> int:
        if not dead:
            return 0
        with _explained():
            await self.audit.note("key.purged", by, *dead)
            used = await self._store.get_many(last_used.KIND, [*dead])
            each = zip(dead.items(), used, strict=True)
            return sum(
                await asyncio.gather(*(self._remove_one(id, entry, its_use) for (id, entry), its_use in each))
            )

    async def _remove_one(self, id: str, entry: Entry, its_use: Entry | None) -> bool:
        # A delete would not notice that the key was given a new end meanwhile; this does.
        if not await self._store.put(KIND, id, entry.doc, ttl=_AT_ONCE, expect=entry.tag):
            return False
        self._changed(id)
        if its_use is not None:
            await self._store.delete(last_used.KIND, id)
        return True

    async def _add(self, key: ApiKey, action: str, by: Actor) -> bool:
        """Store a new record; False where there is one of this id."""
        document = key.document()
        said = {name: value for name, value in document.items() if value is not None}
        with _explained():
            await self.audit.note(action, by, key.id, changes=said)
            if not await self._store.put(KIND, key.id, document, expect=ABSENT):
                return False
        self._made(key.id)
        return True

    async def _change(self, id: str, edit: Edit, action: str, by: Actor) -> ApiKey | None:
        """Apply `edit` to the record; None when there is none, or `edit` finds nothing to do."""
        if not is_key_id(id):
            return None
        try:
            with _explained():
                return await self._write_over(id, edit, action, by)
        finally:
            self._changed(id)

    async def _write_over(self, id: str, edit: Edit, action: str, by: Actor) -> ApiKey | None:
        noted = False
        while True:
            entry = await self._store.get(KIND, id)
            if entry is None or (key := read_entry(id, entry)) is None or (fields := edit(key)) is None:
                return None
            if not noted:
                await self.audit.note(action, by, id, changes=fields)
                noted = True
            changed = compact({**entry.doc, **fields})
            if await self._store.put(KIND, id, changed, expect=entry.tag):
                return ApiKey.read(changed)

    def _made(self, id: str) -> None:
        """A key was made: for who remembers that there was none."""

    def _changed(self, id: str) -> None:
        """A key was changed, or may have been: for who remembers keys."""


@contextmanager
def _explained() -> Iterator[None]:
    """Who changes keys is told what became of it, and what to do. Raises StoreDown."""
    try:
        yield
    except StoreDown as down:
        advice = down.advice or "Mend the store."
        raise StoreDown(down.internal or "", message=_NOT_CHANGED.format(advice=advice)) from down


def _check_age(older_than: int) -> None:
    if type(older_than) is not int or not LEAST_AGE <= older_than <= LAST_MOMENT:
        raise InvalidRequest(
            f"older_than_seconds must be a whole number of at least {LEAST_AGE} and at most {LAST_MOMENT}",
            param="older_than_seconds",
        )
