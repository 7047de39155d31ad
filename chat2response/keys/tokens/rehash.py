"""Hashes that are made anew when their key is used: with the current pepper, off the way of the request."""

import asyncio
import logging

from chat2response.keys.record import KIND, Digest, compact, read_entry
from chat2response.stores import Store, StoreDown

_AT_ONCE = 50  # that are being written; the rest gets its turn when it is next used

_log = logging.getLogger(__name__)


class Rehasher:
    """Writes new digests into records, each by one compare-and-set: a record that changed meanwhile stays."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: dict[str, asyncio.Task[None]] = {}

    def offer(self, id: str, old: Digest, new: Digest) -> None:
        """Replace a key's digest by another of the same secret, some time soon."""
        if id not in self._running and len(self._running) < _AT_ONCE:
            task = self._running[id] = asyncio.create_task(self._replace(id, old, new))
            task.add_done_callback(lambda _: self._running.pop(id, None))

    async def close(self) -> None:
        """Waits for those that are being written; each has the store's deadline."""
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
            _log.info("the hash of key %s is not made anew now: %s", id, down.internal)
        except Exception:
            _log.exception("making the hash of key %s anew", id)
