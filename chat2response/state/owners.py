"""`Owners`: which tenant an upstream's response, conversation, item or container belongs to (law 7).

Managed tenants share one upstream account, so its ids say nothing about who may use them. An id without
a record is unknown, and so is another tenant's. Records live 30 days, as long as OpenAI keeps a response.
"""

import logging
from collections.abc import Iterable, Sequence

from chat2response.stores.base import ABSENT, Entry, Store

log = logging.getLogger("chat2response.state")

_KIND = "owners"
_TTL = 30 * 24 * 3600.0


class Owners:
    """Over a store; a store that is down raises StoreDown (503)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record(self, tenant: str, ids: Iterable[str]) -> None:
        """`tenant` owns these for 30 days from now; returns when that is durable.

        The first owner stays: an id that another tenant has, which an upstream tells again, remains its.
        """
        for each in dict.fromkeys(ids):
            await self._record(tenant, each)

    async def _record(self, tenant: str, id: str) -> None:
        doc = {"tenant": tenant}
        while not await self._store.put(_KIND, id, doc, ttl=_TTL, expect=ABSENT):  # nearly every id is new
            entry = await self._store.get(_KIND, id)
            if entry is None:
                continue  # it has ended meanwhile
            if _tenant(entry) != tenant:
                log.warning("The upstream gave one id to two keys; it stays with the first.")
                return
            if await self._store.put(_KIND, id, doc, ttl=_TTL, expect=entry.tag):
                return

    async def of(self, ids: Sequence[str]) -> list[str | None]:
        """The owner of each, by one look-up; None: it has none."""
        entries = await self._store.get_many(_KIND, ids)
        return [None if entry is None else _tenant(entry) for entry in entries]


def _tenant(entry: Entry) -> str | None:
    """None for a record that cannot be read: then the id is nobody's."""
    return entry.doc.get("tenant") if isinstance(entry.doc, dict) else None
