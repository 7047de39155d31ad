"""`Owners`: the tenant that owns an upstream's response, conversation, item or container (law 7, tenants
never meet).

Managed tenants share one upstream account, so the account does not tell who may use an id. An id without a
record is unknown, and so is another tenant's. Records live 30 days, as long as OpenAI stores a response.
"""

import logging
from collections.abc import Iterable, Sequence

from chat2response.stores.base import ABSENT, Entry, Store

log = logging.getLogger("chat2response.state")

_KIND = "owners"
_TTL = 30 * 24 * 3600.0


class Owners:
    """The owners' records in a store. Methods raise StoreDown (503)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record(self, tenant: str, ids: Iterable[str]) -> None:
        """Make `tenant` the owner for 30 days from now; the records are durable on return.

        The first owner stays: an id of another tenant that an upstream returns again does not change hands.
        """
        for each in dict.fromkeys(ids):
            await self._record(tenant, each)

    async def _record(self, tenant: str, id: str) -> None:
        doc = {"tenant": tenant}
        while not await self._store.put(_KIND, id, doc, ttl=_TTL, expect=ABSENT):  # nearly every id is new
            entry = await self._store.get(_KIND, id)
            if entry is None:
                continue  # it has just expired
            if _tenant(entry) != tenant:
                log.warning("The upstream returned one id to two keys. The first key remains its owner.")
                return
            if await self._store.put(_KIND, id, doc, ttl=_TTL, expect=entry.tag):
                return

    async def of(self, ids: Sequence[str]) -> list[str | None]:
        """The owner of each id, in one read; None: the id is unknown."""
        entries = await self._store.get_many(_KIND, ids)
        return [None if entry is None else _tenant(entry) for entry in entries]


def _tenant(entry: Entry) -> str | None:
    """None for an invalid record: then the id is unknown."""
    return entry.doc.get("tenant") if isinstance(entry.doc, dict) else None
