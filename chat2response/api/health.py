"""Probes. `/livez`: the process answers. `/readyz`, `/healthz`, `/health`: it can do its work, so 503 without
a key store (law 8), and while it drains. No details, no upstream call, no framework."""

from chat2response.api.asgi import CLOSE, JSON, Request
from chat2response.errors import Unavailable
from chat2response.stores.base import Store

_OK = b'{"status":"ok"}'
_NOT_READY = b'{"status":"unavailable"}'


async def live(request: Request) -> None:
    """200 while the event loop turns."""
    await request.answer(200, _OK)


class Ready:
    """`store` None: none is needed (passthrough)."""

    def __init__(self, store: Store | None) -> None:
        self._store = store

    async def __call__(self, request: Request) -> None:
        if self._store is not None and await probe(self._store) is not None:
            await request.answer(503, _NOT_READY)
        else:
            await request.answer(200, _OK)


async def probe(store: Store) -> Unavailable | None:
    """Asks the store for something; what it says when it cannot answer."""
    try:
        await store.get("health", "probe")
    except Unavailable as error:
        return error
    return None


async def not_ready(request: Request) -> None:
    """What `Ready` is replaced by when the gateway drains."""
    await request.answer(503, _NOT_READY, JSON, [CLOSE])
