"""When a key was last used, and how often: coarse, counted off the way of any request.

It has a document of its own beside the record, `key_use`, so that counting never writes a record back.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from chat2response.keys.write_behind import WriteBehind
from chat2response.stores import Store

KIND = "key_use"


class LastUsed(NamedTuple):
    """What is known of a key's use. `last_used_at`: epoch seconds, up to half a minute old."""

    last_used_at: int | None = None
    requests: int = 0
    tokens: int = 0

    @classmethod
    def read(cls, doc: Any) -> "LastUsed":
        """Of its document; nothing where there is none, or it is not ours."""
        values = doc if isinstance(doc, Mapping) else {}
        return cls(**{name: values[name] for name in cls._fields if type(values.get(name)) is int})

    def document(self) -> dict[str, Any]:
        """Its document, and as it may be shown."""
        return self._asdict()

    def plus(self, more: "LastUsed") -> "LastUsed":
        """Both together."""
        last, other = self.last_used_at, more.last_used_at
        if last is None or (other is not None and other > last):
            last = other
        return LastUsed(last, self.requests + more.requests, self.tokens + more.tokens)


class LastUsedTracker:
    """Counts by key; the `tally` writes them down while it is started. `clock`: epoch seconds."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        # By key, in the order of LastUsed: every call comes by here, and nothing is built for it.
        self._fresh: dict[str, list[int]] = {}
        self.tally: WriteBehind[LastUsed] = WriteBehind(
            store, KIND, read=LastUsed.read, add=LastUsed.plus, write=LastUsed.document, gather=self._gather
        )

    def note(self, key_id: str, requests: int = 0, tokens: int = 0) -> None:
        """A key was used: so many requests and tokens more."""
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
        """Hands what came since the last time to the tally."""
        fresh, self._fresh = self._fresh, {}
        for key_id, sums in fresh.items():
            self.tally.note(key_id, LastUsed(*sums))

    async def read(self, key_ids: Sequence[str]) -> list[LastUsed]:
        """What is written down of these keys, and counted here since. Raises StoreDown."""
        entries = await self._store.get_many(KIND, key_ids) if key_ids else []
        return [
            LastUsed.read(None if entry is None else entry.doc).plus(self.tally.counted(id) or LastUsed())
            for id, entry in zip(key_ids, entries, strict=True)
        ]
