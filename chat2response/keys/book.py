"""The book of keys: their records in a store, made, listed, changed and ended.

Each change is a compare-and-set on the stored document, never on a remembered key, so that changes of
several processes do not undo each other, and fields that are not ours survive.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chat2response.keys.policy import UNSET, KeyPolicy, Unset
from chat2response.keys.record import KIND, ApiKey, read_entry
from chat2response.keys.token import Token, is_key_id, new_token
from chat2response.stores import ABSENT, Store, StoreDown

Keys = list[ApiKey]  # named here, for inside KeyBook `list` is a method


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key, and its token: this is the only time it is seen."""

    key: ApiKey
    token: str = field(repr=False)


class KeyBook:
    """Keys in a store. `clock`: epoch seconds."""

    def __init__(
        self,
        store: Store,
        policy: KeyPolicy | None = None,
        *,
        clock: Callable[[], float] = time.time,
        new_token: Callable[[], Token] = new_token,
    ) -> None:
        self._store = store
        self._policy = policy or KeyPolicy()
        self._clock = clock
        self._new_token = new_token

    async def generate(
        self,
        *,
        label: str | None = None,
        ttl_seconds: int | None = None,
        expires_at: int | Unset | None = UNSET,
        scopes: Sequence[str] | None = None,
    ) -> Issued:
        """Make and store a key. Raises InvalidRequest where the policy refuses its end, and StoreDown."""
        from chat2response.keys import hashing

        now = int(self._clock())
        end = self._policy.at_creation(now, ttl_seconds=ttl_seconds, expires_at=expires_at)
        token = self._new_token()
        salt_hex, hash_hex = hashing.make(token.secret)
        key = ApiKey(
            id=token.id,
            created_at=now,
            salt_hex=salt_hex,
            hash_hex=hash_hex,
            label=label,
            expires_at=end,
            scopes=None if scopes is None else tuple(scopes),
        )
        if not await self._store.put(KIND, key.id, key.document(), expect=ABSENT):
            raise StoreDown("the source of key ids repeats itself")
        self._made(key.id)
        return Issued(key, token.text())

    async def revoke(self, id: str) -> bool:
        """End a key for good; False when it is unknown or was revoked before. Raises StoreDown."""
        now = int(self._clock())

        def edit(key: ApiKey) -> dict[str, Any] | None:
            return {"revoked_at": now} if key.revoked_at is None else None

        return await self._change(id, edit) is not None

    async def set_expiration(
        self, id: str, *, expires_at: int | Unset | None = UNSET, ttl_seconds: int | None = None
    ) -> ApiKey | None:
        """Move a key's end, revoked keys' too; neither argument, or null, clears it.

        Returns the changed key, None for an unknown id. Raises InvalidRequest and StoreDown.
        """
        now = int(self._clock())
        end = self._policy.at_change(now, ttl_seconds=ttl_seconds, expires_at=expires_at)
        return await self._change(id, lambda key: {"expires_at": end})

    async def list(self) -> Keys:
        """All keys, revoked and expired ones too, oldest first. Raises StoreDown."""
        found: dict[str, ApiKey] = {}  # by id: a scan may meet a key twice
        cursor = None
        while True:
            page = await self._store.scan(KIND, cursor=cursor, limit=500)
            found |= {id: key for id, entry in page.entries if (key := read_entry(id, entry)) is not None}
            if (cursor := page.cursor) is None:
                return sorted(found.values(), key=lambda key: (key.created_at, key.id))

    async def _change(self, id: str, edit: Callable[[ApiKey], Mapping[str, Any] | None]) -> ApiKey | None:
        """Apply `edit` to the record; None when there is none, or `edit` finds nothing to do."""
        if not is_key_id(id):
            return None
        try:
            while True:
                entry = await self._store.get(KIND, id)
                if entry is None or (key := read_entry(id, entry)) is None or (fields := edit(key)) is None:
                    return None
                changed = {**entry.doc, **fields}
                if await self._store.put(KIND, id, changed, expect=entry.tag):
                    return ApiKey.read(changed)
        finally:
            self._changed(id)

    def _made(self, id: str) -> None:
        """A key was made: for who remembers that there was none."""

    def _changed(self, id: str) -> None:
        """A key was changed, or may have been: for who remembers keys."""
