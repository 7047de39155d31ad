"""Replaces outdated hashes in the background when their key is used: with a hash of the current pepper."""

import asyncio
import logging

from chat2response.keys.record import KIND, Digest, compact, read_entry
from chat2response.stores import Store, StoreDown

_MAX_WRITES = 50  # at the same time; other keys' hashes are replaced when they are next used

log = logging.getLogger(__name__)


class Rehasher:
    """Writes new digests into records by compare-and-set: a record that has changed stays as it is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: dict[str, asyncio.Task[None]] = {}

    def schedule(self, id: str, old: Digest, new: Digest) -> None:
        """Replace a key's digest by a new one of the same secret, in the background."""
        if id not in self._running and len(self._running) < _MAX_WRITES:
            task = self._running[id] = asyncio.create_task(self._replace(id, old, new))
            task.add_done_callback(lambda _: self._running.pop(id, None))

    async def close(self) -> None:
        """Wait for running writes; each has the store's deadline."""
        if self._running:
            await asyncio.wait(self._running.values())

    async def _replace(self, id: str, old: Digest, new: Digest) -> None:
        try:
            entry = await self._store.get(KIND, id)
            key = None if entry is None else read_entry(id, entry)
            if entry is not None and key is not None and key.digest == old:
                changed = compact({**entry.doc, **new.document()})
                await self._store.put(KIND, id, changed, expect=entry.tag)
        except StoreDown as down:
            log.info("the hash of key %s cannot be replaced now: %s", id, down.internal)
        except Exception:
            log.exception("replacing the hash of key %s failed", id)
