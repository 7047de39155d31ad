"""`Owners`: which tenant an upstream's response, conversation, item or container belongs to (law 7).

Managed tenants share one upstream account, so its ids say nothing about who may use them. An id without
a record is unknown, and so is another tenant's. Records live 30 days, as long as OpenAI keeps a response.
"""

import logging
from collections.abc import Iterable, Sequence

from chat2response.stores.base import ABSENT, Store

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
        open_ids = list(dict.fromkeys(ids))
        while open_ids:  # a write that comes too late finds, the next time, whoever was faster
            entries = await self._store.get_many(_KIND, open_ids)
            late = []
            for each, entry in zip(open_ids, entries, strict=True):
                if entry is not None and entry.doc.get("tenant") != tenant:
                    log.warning("The upstream gave one id to two keys; it stays with the first.")
                    continue
                expect = ABSENT if entry is None else entry.tag
                if not await self._store.put(_KIND, each, {"tenant": tenant}, ttl=_TTL, expect=expect):
                    late.append(each)
            open_ids = late

    async def of(self, ids: Sequence[str]) -> list[str | None]:
        """The owner of each, by one look-up; None: it has none."""
        entries = await self._store.get_many(_KIND, ids)
        return [None if entry is None else entry.doc.get("tenant") for entry in entries]
