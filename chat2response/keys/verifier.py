"""The key verifier: authenticates tokens by the keys of a repository, and caches the results.

A result is cached for a second by the token's SHA-256, never by the token, so that a valid key costs one dict
look-up. This process's changes of a key invalidate the cache at once, other processes' changes when the
store's change feed reports them. A change that the feed misses takes effect within that second.
"""

import asyncio
import secrets
from dataclasses import replace
from functools import cached_property, partial
from hashlib import sha256
from math import inf
from typing import TYPE_CHECKING

from chat2response.errors import Unauthorized
from chat2response.keys.record import NO_DIGEST, ApiKey, read_entry
from chat2response.keys.repository import KeyRepository
from chat2response.keys.revocation import RevocationFollower, RunningCalls
from chat2response.keys.tokens.cache import Accepted, Rejected, TokenCache
from chat2response.keys.tokens.pepper import Peppers
from chat2response.keys.tokens.rehash import Rehasher
from chat2response.keys.tokens.token import TOKEN_LENGTH, parse
from chat2response.stores import Entry, StoreDown
from chat2response.wire.json import decode, encode

if TYPE_CHECKING:
    from chat2response.keys.tokens.hashing import Hasher

_HOW = (
    "This gateway's keys look like sk_<32 hex digits>.<64 hex digits>. Send yours as "
    "'Authorization: Bearer sk_...' (or in x-api-key or api-key). "
    "The operator creates keys with 'chat2response keys generate'."
)
MISSING = f"Missing Authorization bearer. {_HOW}"
INVALID = f"Invalid API key. {_HOW}"
REVOKED = "API key revoked"
EXPIRED = "API key expired"

_NOBODY = ApiKey(id="0" * 32, created_at=0, digest=NO_DIGEST)
"""Replaces an invalid record; no secret matches it."""

_RETRY_SECONDS = 1.0  # after a failed read, so that not every request waits for the deadline of a hung store


class KeyVerifier:
    """Checks the tokens of a repository's keys. `cache_size`: entries, for accepted and for rejected tokens.

    `serve_stale`: seconds for which an accepted token stays valid while the store is down; 0 disables it.
    """

    def __init__(
        self,
        repository: KeyRepository,
        *,
        peppers: Peppers | None = None,
        cache_seconds: float = 1.0,
        cache_size: int = 10_000,
        serve_stale: float = 0.0,
    ) -> None:
        self._read = repository.read
        self._clock = repository.clock
        self._peppers = peppers
        self._cache_seconds = cache_seconds
        self._serve_stale = serve_stale
        self._accepted_cache: TokenCache[Accepted] = TokenCache(cache_size)
        self._rejected_cache: TokenCache[Rejected] = TokenCache(cache_size)
        self._accepted, self._rejected = self._accepted_cache.entries, self._rejected_cache.entries
        self._lookups: dict[str, asyncio.Task[Entry | None]] = {}
        self._rehasher = Rehasher(repository.store)
        self._follower = RevocationFollower(repository.store, self._invalidate)
        self._retry_at = 0.0  # until then stale keys are served without another read of a store that was down
        self.stale_checks = 0
        """How many times a token was accepted while the store was down."""
        self._changes = 0  # counts invalidations: a record that was read before one is not cached after it
        repository.watch(on_created=self._rejected_cache.invalidate, on_changed=self._on_changed)

    async def verify(self, token: str | None) -> ApiKey:
        """The token's key. Raises Unauthorized, with one of four texts, and StoreDown.

        An unknown id and a wrong secret get the same answer after the same steps. Only a client that has the
        secret learns that the key is revoked or expired.
        """
        if token is None:
            raise Unauthorized(MISSING)
        if len(token) != TOKEN_LENGTH:
            raise Unauthorized(INVALID)
        digest = sha256(token.encode("ascii", "replace")).digest()
        now = self._clock()
        # Both ends of the interval: a clock that was set back must not extend it.
        if (accepted := self._accepted.get(digest)) is not None and accepted[1] <= now < accepted[2]:
            return accepted[0]
        if (rejected := self._rejected.get(digest)) is not None and rejected[1] <= now < rejected[2]:
            raise Unauthorized(rejected[0])
        return await self._verify_uncached(token, digest)

    def start(self, calls: RunningCalls | None = None) -> None:
        """Start following other processes' changes, and ending those of `calls` whose key is revoked."""
        self._follower.start(calls)

    async def close(self) -> None:
        """Stop the background tasks. The store stays open."""
        await self._follower.close()
        await self._rehasher.close()

    def serves_stale(self) -> bool:
        """Whether there is a token that is accepted while the store is down."""
        return any(self._stale(digest) for digest in self._accepted)

    async def _verify_uncached(self, token: str, digest: bytes) -> ApiKey:
        """`verify` for a token that is not in the cache."""
        parsed = parse(token)
        if parsed is None:
            raise Unauthorized(INVALID)
        changes = self._changes
        if self._retry_at > self._clock() and (stale := self._stale(digest)) is not None:
            self.stale_checks += 1
            return stale
        try:
            entry = await self._look_up(parsed.id)
        except StoreDown:
            if (stale := self._stale(digest)) is None:
                raise
            self._retry_at = self._clock() + _RETRY_SECONDS
            self.stale_checks += 1
            return stale
        # An unknown id takes the same steps as a wrong secret: a record is decoded, read and compared.
        if entry is None:
            key = ApiKey.read(decode(self._decoy))
        else:
            key = read_entry(parsed.id, entry) or _NOBODY
        match = self._match(key, parsed.secret)
        now = self._clock()
        reason = _rejection(match, now)
        until = now + self._cache_seconds
        if reason is not None:
            if changes == self._changes:
                self._rejected_cache.put(parsed.id, digest, Rejected(reason, now, until))
                self._accepted.pop(digest, None)
            raise Unauthorized(reason)
        if match is key and self._hasher.outdated(key.digest):
            self._rehasher.schedule(key.id, key.digest, self._hasher.make(parsed.secret))
        ends = inf if match is None or match.expires_at is None else match.expires_at
        if changes == self._changes:
            self._accepted_cache.put(parsed.id, digest, Accepted(key, now, min(until, ends), ends))
        return key

    @cached_property
    def _hasher(self) -> "Hasher":
        from chat2response.keys.tokens.hashing import Hasher

        return Hasher(self._peppers)

    @cached_property
    def _decoy(self) -> bytes:
        """A record that no secret matches, in the scheme of new keys."""
        digest = replace(self._hasher.make(secrets.token_hex(32)), hash_hex=secrets.token_hex(32))
        return encode(ApiKey(id="0" * 32, created_at=0, digest=digest).document())

    def _stale(self, digest: bytes) -> ApiKey | None:
        """The key of a token that was accepted less than `serve_stale` seconds ago."""
        accepted, now = self._accepted.get(digest), self._clock()
        if accepted is None or not accepted.since <= now < min(
            accepted.since + self._serve_stale, accepted.ends
        ):
            return None
        return accepted.key

    def _match(self, key: ApiKey, secret: str) -> ApiKey | None:
        """The key, if this is its secret; for its previous secret, the key with the end of the grace period.

        Both are always compared, so that the time does not show which keys were rotated.
        """
        previous = key.previous
        is_current = self._hasher.matches(secret, key.digest)
        is_previous = self._hasher.matches(secret, NO_DIGEST if previous is None else previous.digest)
        if is_current:
            return key
        return replace(key, expires_at=previous.expires_at) if previous is not None and is_previous else None

    async def _look_up(self, id: str) -> Entry | None:
        """One read of the store for all concurrent requests with this key."""
        task = self._lookups.get(id)
        if task is None:
            task = self._lookups[id] = asyncio.create_task(self._read(id))
            task.add_done_callback(partial(self._looked_up, id))
        try:
            return await asyncio.shield(task)  # a cancelled caller does not cancel the others' read
        except StoreDown as down:
            raise down.copy() from None

    def _looked_up(self, id: str, task: "asyncio.Task[Entry | None]") -> None:
        if self._lookups.get(id) is task:
            del self._lookups[id]
        if not task.cancelled():
            task.exception()  # retrieved here, in case every caller was cancelled

    def _on_changed(self, id: str) -> None:
        self._invalidate(id)
        self._follower.recheck(id)

    def _invalidate(self, id: str | None) -> None:
        """Drop the cached results and running reads of a key; None: of all keys."""
        self._changes += 1
        self._accepted_cache.invalidate(id)
        self._rejected_cache.invalidate(id)
        if id is None:
            self._lookups.clear()
        else:
            self._lookups.pop(id, None)


def _rejection(key: ApiKey | None, now: float) -> str | None:
    """Why a token is rejected, None if it is not; `key`: the key that its secret matches."""
    if key is None:
        return INVALID
    if key.revoked_at is not None:
        return REVOKED
    return EXPIRED if key.expired(now) else None
