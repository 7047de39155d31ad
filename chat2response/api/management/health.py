"""The probes. `/livez`: the process answers. `/readyz`, `/healthz`, `/health`: it can serve requests.

The latter answer 503 if the key store takes no writes (law 8, fail closed), and while the gateway drains. A
probe returns no details and calls no upstream.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from chat2response.api.http.request import CLOSE, JSON, Request
from chat2response.errors import Unavailable
from chat2response.stores.base import UNREADABLE, Store, StoreDown

WRITE_SECONDS = 1.0  # after a successful write, probes do not write again for this time
_KIND, _KEY = "health", "writes"
_WRITE_TTL = 86_400.0  # seconds until a probe's document expires

_OK = b'{"status":"ok"}'
_NOT_READY = b'{"status":"unavailable"}'

log = logging.getLogger(__name__)


async def live(request: Request) -> None:
    """Answers 200 while the event loop runs."""
    await request.respond(200, _OK)


class StoreHealth:
    """Checks whether the store answers and takes writes. Concurrent probes share one check.

    `serves_stale`: whether cached keys are accepted without the store; this counts as ready for
    `stale_seconds`.
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
        self._check_task: asyncio.Task[Unavailable | None] | None = None

    async def fault(self) -> Unavailable | None:
        """The store's error; None if the store works."""
        if self._check_task is None or self._check_task.done():
            self._check_task = asyncio.create_task(self._check())
        return await asyncio.shield(self._check_task)  # a probe that is cancelled does not cancel the others

    async def is_ready(self) -> bool:
        """Whether requests can be served: with the store, or for a limited time without it."""
        return await self.fault() is None or self._is_bridged()

    def _is_bridged(self) -> bool:
        since, now = self._down_since, self._clock()
        return since is not None and since <= now < since + self._stale_seconds and self._serves_stale()

    async def _check(self) -> Unavailable | None:
        now = self._clock()
        recently = self._written_at is not None and 0 <= now - self._written_at < WRITE_SECONDS
        try:
            entry = await self._store.get(_KIND, _KEY)
            if entry is not None and entry.doc is UNREADABLE:
                raise StoreDown("the store returned an unreadable document")
            if not recently:
                await self._store.add(_KIND, _KEY, 1, ttl=_WRITE_TTL)
                self._written_at = now
        except Unavailable as error:
            self._note_down(error, now)
            return error
        if self._down_since is not None:
            log.warning("the store works again")
        self._down_since = None
        return None

    def _note_down(self, error: Unavailable, now: float) -> None:
        self._written_at = None  # the next check writes
        if self._down_since is None:
            self._down_since = now
            stale = (
                f"; verified keys are accepted for {self._stale_seconds:.0f} s" if self._stale_seconds else ""
            )
            reason = error.internal if isinstance(error, StoreDown) else error.message
            log.warning("the store does not work%s: %s", stale, reason)


class Ready:
    """The readiness probe. `health` None: no store is needed (passthrough)."""

    def __init__(self, health: StoreHealth | None) -> None:
        self._health = health

    async def __call__(self, request: Request) -> None:
        if self._health is None or await self._health.is_ready():
            await request.respond(200, _OK)
        else:
            await request.respond(503, _NOT_READY)


async def not_ready(request: Request) -> None:
    """Answers 503; it replaces `Ready` when the gateway drains."""
    await request.respond(503, _NOT_READY, JSON, [CLOSE])
