"""Probes. `/livez`: the process answers. `/readyz`, `/healthz`, `/health`: it can do its work, so 503 without
a key store that takes writes (law 8), and while it drains. No details, no upstream call, no framework."""

import asyncio
import logging
import time
from collections.abc import Callable

from chat2response.api.http.request import CLOSE, JSON, Request
from chat2response.errors import Unavailable
from chat2response.stores.base import UNREADABLE, Store, StoreDown

WRITE_SECONDS = 1.0  # for which a store that took a write is not asked to take another
_KIND, _KEY = "health", "writes"
_KEPT = 86_400.0  # seconds for which what a probe has written stays

_OK = b'{"status":"ok"}'
_NOT_READY = b'{"status":"unavailable"}'

_log = logging.getLogger(__name__)


async def live(request: Request) -> None:
    """200 while the event loop turns."""
    await request.respond(200, _OK)


class StoreHealth:
    """Whether the store answers and takes writes. Any number of probes at a time are one question to it.

    `serves_stale`: whether keys open without the store; for so many seconds, `stale_seconds`, that is enough.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        serves_stale: Callable[[], bool] = bool,
        stale_seconds: float = 0.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._serves_stale = serves_stale
        self._stale_seconds = stale_seconds
        self._written_at: float | None = None
        self._down_since: float | None = None
        self._asking: asyncio.Task[Unavailable | None] | None = None

    async def fault(self) -> Unavailable | None:
        """What the store says when it cannot do its work."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)  # one that leaves does not take the others along

    async def is_ready(self) -> bool:
        """Whether requests can be served: with the store, or for a while without."""
        return await self.fault() is None or self._is_bridged()

    def _is_bridged(self) -> bool:
        since, now = self._down_since, self._clock()
        return since is not None and since <= now < since + self._stale_seconds and self._serves_stale()

    async def _ask(self) -> Unavailable | None:
        now = self._clock()
        recently = self._written_at is not None and 0 <= now - self._written_at < WRITE_SECONDS
        try:
            entry = await self._store.get(_KIND, _KEY)
            if entry is not None and entry.doc is UNREADABLE:
                raise StoreDown("what the store answers is no document")
            if not recently:
                await self._store.add(_KIND, _KEY, 1, ttl=_KEPT)
                self._written_at = now
        except Unavailable as error:
            self._note_down(error, now)
            return error
        if self._down_since is not None:
            _log.warning("the store works again")
        self._down_since = None
        return None

    def _note_down(self, error: Unavailable, now: float) -> None:
        self._written_at = None  # the next one writes
        if self._down_since is None:
            self._down_since = now
            opens = (
                f"; keys that were good open for {self._stale_seconds:.0f} s" if self._stale_seconds else ""
            )
            why = error.internal if isinstance(error, StoreDown) else error.message
            _log.warning("the store does not work%s: %s", opens, why)


class Ready:
    """`health` None: no store is needed (passthrough)."""

    def __init__(self, health: StoreHealth | None) -> None:
        self._health = health

    async def __call__(self, request: Request) -> None:
        if self._health is None or await self._health.is_ready():
            await request.respond(200, _OK)
        else:
            await request.respond(503, _NOT_READY)


async def not_ready(request: Request) -> None:
    """What `Ready` is replaced by when the gateway drains."""
    await request.respond(503, _NOT_READY, JSON, [CLOSE])
