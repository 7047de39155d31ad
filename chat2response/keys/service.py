"""The key service: creates, imports, updates, rotates and revokes keys, within the policy and delegation."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from chat2response.errors import Conflict, InvalidRequest
from chat2response.keys.actor import GATEWAY, Actor
from chat2response.keys.delegation import check_end, check_rights, check_within
from chat2response.keys.expiry_policy import UNSET, KeyPolicy, Unset
from chat2response.keys.idempotency import Document, IdempotentRequest
from chat2response.keys.key_fields import validated
from chat2response.keys.record import NO_DIGEST, ApiKey, Digest, IssuedKey, read_entry
from chat2response.keys.repository import KeyRepository
from chat2response.keys.rotation import Rotation, unfinished
from chat2response.keys.tokens.pepper import Peppers
from chat2response.keys.tokens.token import Token, is_key_id, new_token
from chat2response.stores import StoreDown

if TYPE_CHECKING:
    from chat2response.keys.tokens.hashing import Hasher


class KeyService:
    """The operations on the keys of a `repository`. Every method raises StoreDown.

    `by` is the actor of a change. A key cannot grant more than its own rights: that raises Forbidden.
    """

    def __init__(
        self,
        repository: KeyRepository,
        policy: KeyPolicy | None = None,
        *,
        new_token: Callable[[], Token] = new_token,
        peppers: Peppers | None = None,
    ) -> None:
        self.repository = repository
        self._policy = policy or KeyPolicy()
        self._new_token = new_token
        self._peppers = peppers

    def new_digest(self) -> tuple[Token, str]:
        """A token that is not stored, and the digest to import it with, here or in another gateway."""
        from chat2response.keys.tokens.hashing import digest_text

        token = self._new_token()
        return token, digest_text(self._hasher.make(token.secret))

    async def check(
        self,
        *,
        id: str | None = None,
        digest: str | None = None,
        ttl_seconds: int | None = None,
        expires_at: int | Unset | None = UNSET,
        by: Actor = GATEWAY,
        **fields: Any,
    ) -> None:
        """A dry run: raises what `generate`, or with an id and a digest `import_digest`, would raise."""
        if id is None or digest is None:
            self._draft("0" * 32, NO_DIGEST, fields, ttl_seconds, expires_at, by)
        elif await self._existing(id, parsed := self._parse_digest(digest)) is None:
            self._draft(id, parsed, fields, ttl_seconds, expires_at, by)
        else:
            validated(fields)

    async def generate(
        self,
        *,
        ttl_seconds: int | None = None,
        expires_at: int | Unset | None = UNSET,
        idempotency_key: str | None = None,
        by: Actor = GATEWAY,
        **fields: Any,
    ) -> IssuedKey:
        """Create and store a key; `fields` are those of `key_fields`.

        `idempotency_key`: a repetition within an hour returns the same key and token. Raises InvalidRequest,
        also if the policy refuses the key's expiry.
        """
        request = None
        if idempotency_key is not None:
            end = "unset" if expires_at is UNSET else expires_at
            params = {**fields, "ttl_seconds": ttl_seconds, "expires_at": end}
            request = await IdempotentRequest.of(self.repository.store, idempotency_key, by, params)
            if (earlier := await request.earlier()) is not None:
                return await self._finish(earlier, by)
        token = self._new_token()
        digest = self._hasher.make(token.secret)
        issued = IssuedKey(self._draft(token.id, digest, fields, ttl_seconds, expires_at, by), token.text())
        if request is not None and not await request.claim(issued):
            earlier = await request.earlier()
            if earlier is None:  # it expired between the two calls
                raise StoreDown("the record of a repeated creation expired during the request")
            return await self._finish(earlier, by)
        added = await self.repository.add(issued.key, "key.generated", by)
        if not added and request is None:  # otherwise a repetition has stored this key meanwhile
            raise StoreDown("the source of key ids returned an id twice")
        return issued

    async def _finish(self, earlier: IssuedKey, by: Actor) -> IssuedKey:
        """Store the key if the earlier request died before it did."""
        if await self.repository.read(earlier.key.id) is None:
            await self.repository.add(earlier.key, "key.generated", by)
        return earlier

    async def revoke(self, id: str, *, by: Actor = GATEWAY) -> bool:
        """Revoke a key for good; False if it is unknown or already revoked."""
        now = int(self.repository.clock())

        def edit(key: ApiKey) -> dict[str, Any] | None:
            return {"revoked_at": now} if key.revoked_at is None else None

        return await self.repository.change(id, edit, "key.revoked", by) is not None

    async def set_expiration(
        self,
        id: str,
        *,
        expires_at: int | Unset | None = UNSET,
        ttl_seconds: int | None = None,
        by: Actor = GATEWAY,
    ) -> ApiKey | None:
        """Change a key's expiry, also a revoked key's; without an argument, or with null, it never expires.

        Returns the changed key, None for an unknown id. Raises InvalidRequest.
        """
        now = int(self.repository.clock())
        end = self._policy.at_change(now, ttl_seconds=ttl_seconds, expires_at=expires_at)
        check_end(by, end)

        def edit(key: ApiKey) -> dict[str, Any]:
            if end is None or (key.expires_at is not None and end > key.expires_at):
                check_rights(by, key)  # a later expiry grants something, too
            grace = key.previous
            if grace is None or end is None or grace.expires_at <= end:
                return {"expires_at": end}
            return {"expires_at": end, "previous": replace(grace, expires_at=end).document()}

        return await self.repository.change(id, edit, "key.expiration_set", by)

    async def update(self, id: str, *, by: Actor = GATEWAY, **fields: Any) -> ApiKey | None:
        """Replace fields of `key_fields`; None clears one.

        Returns the changed key, None for an unknown id. Raises InvalidRequest.
        """
        changes = validated(fields)

        def edit(key: ApiKey) -> dict[str, Any]:
            if "scopes" in changes or "limits" in changes:
                check_rights(by, ApiKey.read({**key.document(), **changes}))
            return changes

        return await self.repository.change(id, edit, "key.updated", by)

    async def rotate(
        self,
        id: str,
        *,
        grace_seconds: int = 0,
        force: bool = False,
        idempotency_key: str | None = None,
        by: Actor = GATEWAY,
    ) -> IssuedKey | None:
        """Give a key a new secret; the old one stays valid for `grace_seconds`, or until the key expires.

        A secret from before the last rotation ends at once; while it is valid, only `force` allows another
        rotation. `idempotency_key`: as in `generate`. Returns None for an unknown id. Raises InvalidRequest,
        and Conflict for a key that is revoked, expired, or in its grace period.
        """
        token = replace(self._new_token(), id=id)
        digest = self._hasher.make(token.secret)
        rotation = Rotation(digest, int(self.repository.clock()), grace_seconds, force, by)
        if idempotency_key is None:
            key = await self.repository.change(id, rotation.fields, "key.rotated", by)
            return None if key is None else IssuedKey(key, token.text())
        params = {"operation": "rotate", "id": id, "grace_seconds": grace_seconds, "force": force}
        request = await IdempotentRequest.of(self.repository.store, idempotency_key, by, params)
        planned = await request.earlier()
        if planned is None:
            if (key := await self.repository.get(id)) is None:
                return None
            try:
                planned = rotation.planned(key, token.text())
            except Conflict:
                if (planned := await request.earlier()) is None:  # a repetition has claimed it meanwhile
                    raise
            else:
                if not await request.claim(planned) and (planned := await request.earlier()) is None:
                    raise StoreDown("the record of a repeated rotation expired during the request")
        if not request.done:
            await self.repository.change(id, partial(unfinished, planned.key), "key.rotated", by)
            await request.complete()
        return planned

    async def run_once(
        self,
        name: str,
        params: Mapping[str, Any],
        operation: Callable[[], Awaitable[Document]],
        *,
        idempotency_key: str | None,
        by: Actor,
    ) -> Document:
        """The result of `operation`, which a repetition with the same `idempotency_key` does not run again.

        Raises InvalidRequest if `name` or `params` differ, Conflict while the first request is running.
        """
        if idempotency_key is None:
            return await operation()
        params = {"operation": name, **params}
        request = await IdempotentRequest.of(self.repository.store, idempotency_key, by, params)
        return await request.run_once(operation)

    async def import_digest(
        self,
        id: str,
        digest: str,
        *,
        ttl_seconds: int | None = None,
        expires_at: int | Unset | None = UNSET,
        by: Actor = GATEWAY,
        **fields: Any,
    ) -> tuple[ApiKey, bool]:
        """Store a key by its digest, without its token; for the digest's form see `tokens/hashing.py`.

        Returns the key, and False if the same key was there already. Raises InvalidRequest, and Conflict if
        the id belongs to another key.
        """
        parsed = self._parse_digest(digest)
        if (existing := await self._existing(id, parsed)) is not None:
            return existing, False
        key = self._draft(id, parsed, fields, ttl_seconds, expires_at, by)
        if not await self.repository.add(key, "key.imported", by):
            raise _id_taken()  # meanwhile; a second attempt tells whether it is the same key
        return key, True

    # -- helpers -----------------------------------------------------------------------------------

    @cached_property
    def _hasher(self) -> "Hasher":
        from chat2response.keys.tokens.hashing import Hasher

        return Hasher(self._peppers)

    def _draft(
        self,
        id: str,
        digest: Digest,
        fields: Mapping[str, Any],
        ttl_seconds: int | None,
        expires_at: int | Unset | None,
        by: Actor,
    ) -> ApiKey:
        """A new key's record, validated but not stored."""
        now = int(self.repository.clock())
        end = self._policy.at_creation(now, ttl_seconds=ttl_seconds, expires_at=expires_at)
        bare = ApiKey(id=id, created_at=now, digest=digest, expires_at=end)
        key = ApiKey.read({**bare.document(), **validated(fields)})
        check_within(by, key)
        return key

    def _parse_digest(self, text: str) -> Digest:
        from chat2response.keys.tokens.hashing import parse_digest

        try:
            digest = parse_digest(text)
        except ValueError:
            raise InvalidRequest(
                "digest must be $c2r-sha256$<salt: 32 hex digits>$<hash: 64 hex digits>, "
                "or $c2r-hmac-sha256$<pepper's version>$<salt>$<hash>",
                param="digest",
            ) from None
        if not self._hasher.knows(digest):
            raise InvalidRequest(f"This gateway has no pepper '{digest.pepper}'.", param="digest")
        return digest

    async def _existing(self, id: str, digest: Digest) -> ApiKey | None:
        """The stored key of this id and digest. Raises InvalidRequest, and Conflict if the digest differs."""
        if not is_key_id(id):
            raise InvalidRequest("id must be 32 hex digits in lower case", param="id")
        entry = await self.repository.read(id)
        existing = None if entry is None else read_entry(id, entry)
        if entry is not None and (existing is None or existing.digest != digest):
            raise _id_taken()
        return existing


def _id_taken() -> Conflict:
    return Conflict("Another key has this id.", code="key_exists", param="id")
