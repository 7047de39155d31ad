"""When a key was last used, and how much: counted in memory and written to the store in the background.

The counts have a document of their own (kind `key_use`), so that counting never rewrites a key's record.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from chat2response.keys.write_behind import WriteBehind
from chat2response.stores import Store

KIND = "key_use"


class LastUsed(NamedTuple):
    """A key's use. `last_used_at`: epoch seconds; the store is up to half a minute behind."""

    last_used_at: int | None = None
    requests: int = 0
    tokens: int = 0

    @classmethod
    def read(cls, doc: Any) -> "LastUsed":
        """From its document; zero if there is none, or it has another form."""
        values = doc if isinstance(doc, Mapping) else {}
        return cls(**{name: values[name] for name in cls._fields if type(values.get(name)) is int})

    def document(self) -> dict[str, Any]:
        """The document to store or show."""
        return self._asdict()

    def plus(self, more: "LastUsed") -> "LastUsed":
        """The later time, and the sums."""
        last, other = self.last_used_at, more.last_used_at
        if last is None or (other is not None and other > last):
            last = other
        return LastUsed(last, self.requests + more.requests, self.tokens + more.tokens)


class LastUsedTracker:
    """Counts by key, which `write_behind` stores while it is started. `clock`: epoch seconds."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        # Lists in the order of LastUsed's fields, changed in place: this is on the path of every call.
        self._fresh: dict[str, list[int]] = {}
        self.write_behind: WriteBehind[LastUsed] = WriteBehind(
            store, KIND, read=LastUsed.read, add=LastUsed.plus, write=LastUsed.document, gather=self._gather
        )

    def note(self, key_id: str, requests: int = 0, tokens: int = 0) -> None:
        """Count the use of a key, now."""
        now = int(self._clock())
        sums = self._fresh.get(key_id)
        if sums is None:
            self._fresh[key_id] = [now, requests, tokens]
            return
        if now > sums[0]:
            sums[0] = now
        sums[1] += requests
        sums[2] += tokens

    def _gather(self) -> None:
        """Hand the new counts to `write_behind`."""
        fresh, self._fresh = self._fresh, {}
        for key_id, sums in fresh.items():
            self.write_behind.add(key_id, LastUsed(*sums))

    async def read(self, key_ids: Sequence[str]) -> list[LastUsed]:
        """The stored use of these keys plus what is not written yet. Raises StoreDown."""
        entries = await self._store.get_many(KIND, key_ids) if key_ids else []
        return [
            LastUsed.read(None if entry is None else entry.doc).plus(
                self.write_behind.pending(id) or LastUsed()
            )
            for id, entry in zip(key_ids, entries, strict=True)
        ]
