"""When a key was last used, and how often: counted in this process and written down every half minute.

It has a document of its own beside the record, `key_use`, so that counting never writes a record back. What
could not be written stays counted; a write whose outcome is not known is repeated, so a count may be a little
high after the store was away.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chat2response.stores import ABSENT, Entry, Store, StoreDown

KIND = "key_use"
FLUSH_SECONDS = 30.0
_BATCH = 200  # keys read at a time

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Use:
    """What is known of a key's use. `last_used_at`: epoch seconds, up to half a minute old."""

    last_used_at: int | None = None
    requests: int = 0
    tokens: int = 0

    @classmethod
    def read(cls, entry: Entry | None) -> "Use":
        """Of its document; nothing where there is none, or it is not ours."""
        doc = entry.doc if entry is not None and isinstance(entry.doc, dict) else {}
        values = {name: doc.get(name) for name in cls.__slots__}
        return cls(**{name: value for name, value in values.items() if type(value) is int})

    def document(self) -> dict[str, Any]:
        """Its document, and as it may be shown."""
        return {"last_used_at": self.last_used_at, "requests": self.requests, "tokens": self.tokens}

    def with_more(self, more: "Use") -> "Use":
        """Both together."""
        last = max((at for at in (self.last_used_at, more.last_used_at) if at is not None), default=None)
        return Use(last, self.requests + more.requests, self.tokens + more.tokens)


class KeyUse:
    """Counts; `start` begins to write down, `close` ends it with what is left. `clock`: epoch seconds."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._counted: dict[str, list[int]] = {}  # by key id: last used, requests, tokens
        self._task: asyncio.Task[None] | None = None

    def note(self, key_id: str, requests: int = 0, tokens: int = 0) -> None:
        """A key was used: so many requests and tokens more."""
        counted = self._counted.get(key_id)
        if counted is None:
            counted = self._counted[key_id] = [0, 0, 0]
        counted[0] = int(self._clock())
        counted[1] += requests
        counted[2] += tokens

    async def read(self, key_ids: Sequence[str]) -> list[Use]:
        """What is written down of these keys, and counted here since. Raises StoreDown."""
        entries = await self._store.get_many(KIND, key_ids) if key_ids else []
        return [
            Use.read(entry).with_more(Use(*self._counted.get(id, (None, 0, 0))))
            for id, entry in zip(key_ids, entries, strict=True)
        ]

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
            _log.warning("the last use of %d keys could not be written down", len(self._counted))

    async def flush(self) -> None:
        """Writes down what is counted. What the store does not take stays for the next time."""
        counted, self._counted = self._counted, {}
        ids = list(counted)
        try:
            for start in range(0, len(ids), _BATCH):
                batch = ids[start : start + _BATCH]
                for id, entry in zip(batch, await self._store.get_many(KIND, batch), strict=True):
                    await self._add(id, Use(*counted[id]), entry)
                    del counted[id]
        except StoreDown as down:
            _log.info("the use of keys is not written down now: %s", down.internal)
        finally:
            for id, (last, requests, tokens) in counted.items():
                later = self._counted.setdefault(id, [0, 0, 0])
                later[0] = max(later[0], last)
                later[1] += requests
                later[2] += tokens

    async def _add(self, id: str, more: Use, entry: Entry | None) -> None:
        """By compare-and-set: other processes count the same keys."""
        while True:
            document = Use.read(entry).with_more(more).document()
            if await self._store.put(KIND, id, document, expect=ABSENT if entry is None else entry.tag):
                return
            entry = await self._store.get(KIND, id)

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception:  # a bug must not end the counting for good
                _log.exception("writing down the use of keys")
