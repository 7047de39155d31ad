"""The key ring: who may pass. Issues, checks, lists, ends and revokes keys.

A checked token is remembered for a second by its SHA-256, never as itself, so that a valid key costs one
dict look-up. That second is how long another process's revocation may go unseen; our own changes
empty the memory at once. Each change is a compare-and-set on the stored document, never on a remembered key.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

from chat2response.errors import Unauthorized
from chat2response.keys.policy import UNSET, KeyPolicy, Unset
from chat2response.keys.record import ApiKey
from chat2response.keys.token import TOKEN_LENGTH, Token, is_key_id, new_token, parse
from chat2response.stores import ABSENT, Entry, Store, StoreDown

KIND = "keys"

MISSING = "Missing Authorization bearer"
INVALID = "Invalid API key"
REVOKED = "API key revoked"
EXPIRED = "API key expired"

# Stands in for the record of an unknown id, so that an unknown id takes the same steps as a wrong secret.
_DECOY = ApiKey(id="0" * 32, created_at=0, salt_hex="0" * 32, hash_hex="0" * 64)

_log = logging.getLogger(__name__)

Keys = list[ApiKey]  # named here, for inside KeyRing `list` is a method


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key, and its token: this is the only time it is seen."""

    key: ApiKey
    token: str = field(repr=False)


class KeyRing:
    """Keys in a store. `clock`: epoch seconds; `cache_size` bounds each of the two memories."""

    def __init__(
        self,
        store: Store,
        policy: KeyPolicy | None = None,
        *,
        clock: Callable[[], float] = time.time,
        new_token: Callable[[], Token] = new_token,
        cache_seconds: float = 1.0,
        cache_size: int = 10_000,
    ) -> None:
        self._store = store
        self._policy = policy or KeyPolicy()
        self._clock = clock
        self._new_token = new_token
        self._cache_seconds = cache_seconds
        self._cache_size = cache_size
        # By digest of the token: the answer, and the span of time in which it holds.
        self._good: dict[bytes, tuple[ApiKey, float, float]] = {}
        self._bad: dict[bytes, tuple[str, float, float]] = {}
        self._lookups: dict[str, asyncio.Task[Entry | None]] = {}
        self._changes = 0  # counts our own changes: what was read before one is not remembered after it

    async def verify(self, token: str | None) -> ApiKey:
        """The key that this token opens. Raises Unauthorized, with one of four texts, and StoreDown.

        An unknown id and a wrong secret get the same answer in the same time; that a key is revoked or
        expired is told only to who has its secret.
        """
        if token is None:
            raise Unauthorized(MISSING)
        if len(token) != TOKEN_LENGTH:
            raise Unauthorized(INVALID)
        digest = sha256(token.encode("ascii", "replace")).digest()
        now = self._clock()
        # Both ends of the span: a clock that was set back must not lengthen it.
        if (good := self._good.get(digest)) is not None and good[1] <= now < good[2]:
            return good[0]
        if (bad := self._bad.get(digest)) is not None and bad[1] <= now < bad[2]:
            raise Unauthorized(bad[0])
        return await self._check(token, digest)

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
        self._bad.clear()
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
            found |= {id: key for id, entry in page.entries if (key := _read(id, entry)) is not None}
            if (cursor := page.cursor) is None:
                return sorted(found.values(), key=lambda key: (key.created_at, key.id))

    async def _check(self, token: str, digest: bytes) -> ApiKey:
        """`verify` for a token we do not remember."""
        from chat2response.keys import hashing

        parsed = parse(token)
        if parsed is None:
            raise Unauthorized(INVALID)
        changes = self._changes
        entry = await self._look_up(parsed.id)
        key = (entry and _read(parsed.id, entry)) or _DECOY
        right = hashing.matches(parsed.secret, key.salt_hex, key.hash_hex)
        now = self._clock()
        fault = _fault(key, now) if right else INVALID
        until = now + self._cache_seconds
        if fault is None:
            if key.expires_at is not None:
                until = min(until, key.expires_at)
            if changes == self._changes:
                self._remember(self._good, digest, (key, now, until))
            return key
        if changes == self._changes:
            self._remember(self._bad, digest, (fault, now, until))
        raise Unauthorized(fault)

    def _remember(self, memory: dict[bytes, Any], digest: bytes, answer: tuple[Any, float, float]) -> None:
        if len(memory) >= self._cache_size:
            memory.clear()  # what it held was good for a second anyway
        memory[digest] = answer

    async def _look_up(self, id: str) -> Entry | None:
        """One read of the store for all who ask for this key at the same time."""
        task = self._lookups.get(id)
        if task is None:
            task = self._lookups[id] = asyncio.create_task(self._fetch(id))
            task.add_done_callback(partial(self._looked_up, id))
        try:
            return await asyncio.shield(task)  # one caller that leaves does not take the others along
        except StoreDown as down:
            raise StoreDown(down.internal or "") from None  # an exception of one's own for each

    async def _fetch(self, id: str) -> Entry | None:
        return await self._store.get(KIND, id)

    def _looked_up(self, id: str, task: "asyncio.Task[Entry | None]") -> None:
        if self._lookups.get(id) is task:
            del self._lookups[id]
        if not task.cancelled():
            task.exception()  # seen, even if everybody who waited has left

    async def _change(self, id: str, edit: Callable[[ApiKey], Mapping[str, Any] | None]) -> ApiKey | None:
        """Apply `edit` to the record; None when there is none, or `edit` finds nothing to do."""
        if not is_key_id(id):
            return None
        try:
            while True:
                entry = await self._store.get(KIND, id)
                if entry is None or (key := _read(id, entry)) is None or (fields := edit(key)) is None:
                    return None
                changed = {**entry.doc, **fields}
                if await self._store.put(KIND, id, changed, expect=entry.tag):
                    return ApiKey.read(changed)
        finally:
            self._forget()

    def _forget(self) -> None:
        """After a change, or one that may have happened: nothing read before it counts any more."""
        self._changes += 1
        self._good.clear()
        self._bad.clear()
        self._lookups.clear()


def _read(id: str, entry: Entry) -> ApiKey | None:
    try:
        return ApiKey.read(entry.doc)
    except ValueError as error:
        _log.warning("the record of key %s cannot be read and opens nothing: %s", id, error)
        return None


def _fault(key: ApiKey, now: float) -> str | None:
    """Why a key whose secret was right does not open, if it does not."""
    if key.revoked_at is not None:
        return REVOKED
    return EXPIRED if key.expired(now) else None
