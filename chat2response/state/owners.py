"""`Owners`: which tenant an upstream's response, conversation or item belongs to (law 7).

Managed tenants share one upstream account, so its ids say nothing about who may use them. An id without
a record is unknown, and so is another tenant's. Records live 30 days, as long as OpenAI keeps a response.
"""

from collections.abc import Iterable, Sequence

from chat2response.stores.base import Store

_KIND = "owners"
_TTL = 30 * 24 * 3600.0


class Owners:
    """Over a store; a store that is down raises StoreDown (503)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record(self, tenant: str, ids: Iterable[str]) -> None:
        """`tenant` owns these from now on; returns when that is durable."""
        for each in ids:
            await self._store.put(_KIND, each, {"tenant": tenant}, ttl=_TTL)

    async def owns(self, tenant: str, ids: Sequence[str]) -> list[bool]:
        """Whether `tenant` owns it, for each of them, by one look-up."""
        entries = await self._store.get_many(_KIND, ids)
        return [entry is not None and entry.doc.get("tenant") == tenant for entry in entries]
