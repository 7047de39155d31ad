"""The key ring: who may pass. It is the book of keys, with a check of tokens and a memory for it.

A checked token is remembered for a second by its SHA-256, never as itself, so that a valid key costs one
dict look-up. What we change of a key is forgotten at once, what others change when the store's feed tells;
that second is how long it may go unseen where the feed does not.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from hashlib import sha256
from math import inf

from chat2response.errors import Unauthorized
from chat2response.keys.audit import Audit
from chat2response.keys.expiry_policy import KeyPolicy
from chat2response.keys.record import KIND, NO_DIGEST, ApiKey, read_entry
from chat2response.keys.revocation import RevocationFollower, Running
from chat2response.keys.service import KeyService
from chat2response.keys.tokens.cache import Accepted, Rejected, TokenCache
from chat2response.keys.tokens.pepper import Peppers
from chat2response.keys.tokens.rehash import Rehasher
from chat2response.keys.tokens.token import TOKEN_LENGTH, Token, new_token, parse
from chat2response.stores import Entry, Store, StoreDown
from chat2response.wire.json import decode, encode

_HOW = (
    "A key of this gateway looks like sk_<32 hex digits>.<64 hex digits>, and is sent as "
    "'Authorization: Bearer sk_...' (or in x-api-key or api-key). 'chat2response keys generate' makes one."
)
MISSING = f"Missing Authorization bearer. {_HOW}"
INVALID = f"Invalid API key. {_HOW}"
REVOKED = "API key revoked"
EXPIRED = "API key expired"

_NOBODY = ApiKey(id="0" * 32, created_at=0, digest=NO_DIGEST)
"""Stands in for a record that cannot be read."""

_ASK_AGAIN = 1.0  # seconds; not each request waits until a store that hangs has had its time


class KeyVerifier(KeyService):
    """Keys in a store. `clock`: epoch seconds; `cache_size`: tokens that are remembered of each kind.

    `serve_stale`: seconds for which a token that was good opens while the store cannot be asked; 0 for not.
    """

    def __init__(
        self,
        store: Store,
        policy: KeyPolicy | None = None,
        *,
        clock: Callable[[], float] = time.time,
        new_token: Callable[[], Token] = new_token,
        peppers: Peppers | None = None,
        audit: Audit | None = None,
        cache_seconds: float = 1.0,
        cache_size: int = 10_000,
        serve_stale: float = 0.0,
    ) -> None:
        super().__init__(store, policy, clock=clock, new_token=new_token, peppers=peppers, audit=audit)
        self._cache_seconds = cache_seconds
        self._serve_stale = serve_stale
        self._opening: TokenCache[Accepted] = TokenCache(cache_size)
        self._refused: TokenCache[Rejected] = TokenCache(cache_size)
        self._good, self._bad = self._opening.found, self._refused.found
        self._lookups: dict[str, asyncio.Task[Entry | None]] = {}
        self._upgrades = Rehasher(store)
        self._follower = RevocationFollower(store, self._forget)
        self._ask_at = 0.0  # until then a store that was down is not asked about keys that open without it
        self.stale_checks = 0
        """How often a token opened although the store could not be asked."""
        self._changes = 0  # counts changes: what was read before one is not remembered after it

    async def verify(self, token: str | None) -> ApiKey:
        """The key that this token opens. Raises Unauthorized, with one of four texts, and StoreDown.

        An unknown id and a wrong secret get the same answer after the same steps; that a key is revoked or
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

    def start(self, running: Running | None = None) -> None:
        """Begins to hear what others do to keys, and to end in `running` what runs under a revoked one."""
        self._follower.start(running)

    async def close(self) -> None:
        """Ends what was begun beside the requests. The store stays open."""
        await self._follower.close()
        await self._upgrades.close()

    def serves_stale(self) -> bool:
        """Whether a token opens although the store cannot be asked."""
        return any(self._stale(digest) for digest in self._good)

    async def _check(self, token: str, digest: bytes) -> ApiKey:
        """`verify` for a token we do not remember."""
        parsed = parse(token)
        if parsed is None:
            raise Unauthorized(INVALID)
        changes = self._changes
        if self._ask_at > self._clock() and (stale := self._stale(digest)) is not None:
            self.stale_checks += 1
            return stale
        try:
            entry = await self._look_up(parsed.id)
        except StoreDown:
            if (stale := self._stale(digest)) is None:
                raise
            self._ask_at = self._clock() + _ASK_AGAIN
            self.stale_checks += 1
            return stale
        # An unknown id takes the steps of a wrong secret: a record is decoded, read, and held against it.
        if entry is None:
            key = ApiKey.read(decode(self._decoy))
        else:
            key = read_entry(parsed.id, entry) or _NOBODY
        opened = self._opened(key, parsed.secret)
        now = self._clock()
        fault = _fault(opened, now)
        until = now + self._cache_seconds
        if fault is not None:
            if changes == self._changes:
                self._refused.remember(parsed.id, digest, Rejected(fault, now, until))
                self._good.pop(digest, None)
            raise Unauthorized(fault)
        if opened is key and self._hasher.outdated(key.digest):
            self._upgrades.offer(key.id, key.digest, self._hasher.make(parsed.secret))
        ends = inf if opened is None or opened.expires_at is None else opened.expires_at
        if changes == self._changes:
            self._opening.remember(parsed.id, digest, Accepted(key, now, min(until, ends), ends))
        return key

    @cached_property
    def _decoy(self) -> bytes:
        """A record that no secret opens, in the scheme of new ones."""
        digest = replace(self._hasher.make(secrets.token_hex(32)), hash_hex=secrets.token_hex(32))
        return encode(ApiKey(id="0" * 32, created_at=0, digest=digest).document())

    def _stale(self, digest: bytes) -> ApiKey | None:
        """Without the store: the key of a token that was good a short while ago."""
        good, now = self._good.get(digest), self._clock()
        if good is None or not good.since <= now < min(good.since + self._serve_stale, good.ends):
            return None
        return good.key

    def _opened(self, key: ApiKey, secret: str) -> ApiKey | None:
        """The key as this secret opens it: with the end of its grace, where it is the one before the last.

        Both are always tried, so that the time does not tell which keys were rotated.
        """
        old = key.previous
        is_current = self._hasher.matches(secret, key.digest)
        is_previous = self._hasher.matches(secret, NO_DIGEST if old is None else old.digest)
        if is_current:
            return key
        return replace(key, expires_at=old.expires_at) if old is not None and is_previous else None

    async def _look_up(self, id: str) -> Entry | None:
        """One read of the store for all who ask for this key at the same time."""
        task = self._lookups.get(id)
        if task is None:
            task = self._lookups[id] = asyncio.create_task(self._fetch(id))
            task.add_done_callback(partial(self._looked_up, id))
        try:
            return await asyncio.shield(task)  # one caller that leaves does not take the others along
        except StoreDown as down:
            raise down.again() from None

    async def _fetch(self, id: str) -> Entry | None:
        return await self._store.get(KIND, id)

    def _looked_up(self, id: str, task: "asyncio.Task[Entry | None]") -> None:
        if self._lookups.get(id) is task:
            del self._lookups[id]
        if not task.cancelled():
            task.exception()  # seen, even if everybody who waited has left

    def _made(self, id: str) -> None:
        self._refused.forget(id)

    def _changed(self, id: str) -> None:
        self._forget(id)
        self._follower.look(id)

    def _forget(self, id: str | None) -> None:
        """Nothing that was read of this key before, or of any (None), counts any more."""
        self._changes += 1
        self._opening.forget(id)
        self._refused.forget(id)
        if id is None:
            self._lookups.clear()
        else:
            self._lookups.pop(id, None)


def _fault(key: ApiKey | None, now: float) -> str | None:
    """Why a token does not open; `key`: what its secret was right for."""
    if key is None:
        return INVALID
    if key.revoked_at is not None:
        return REVOKED
    return EXPIRED if key.expired(now) else None
