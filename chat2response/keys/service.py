"""The book of keys: what can be done to them, and what is refused."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from chat2response.errors import Conflict, InvalidRequest
from chat2response.keys.actor import GATEWAY, Actor
from chat2response.keys.audit import Audit
from chat2response.keys.delegation import check_end, check_rights, check_within
from chat2response.keys.expiry_policy import UNSET, KeyPolicy, Unset
from chat2response.keys.idempotency import Document, IdempotentRequest
from chat2response.keys.key_fields import checked
from chat2response.keys.record import KIND, NO_DIGEST, ApiKey, Digest, Issued, read_entry
from chat2response.keys.repository import KeyRepository
from chat2response.keys.rotation import Rotation, unfinished
from chat2response.keys.tokens.pepper import Peppers
from chat2response.keys.tokens.token import Token, is_key_id, new_token
from chat2response.stores import Store, StoreDown

if TYPE_CHECKING:
    from chat2response.keys.tokens.hashing import Hasher


class KeyService(KeyRepository):
    """Keys in a store. Every method raises StoreDown.

    `by` is who asks for a change: what a key asks for must lie within what it has itself, else Forbidden.
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
    ) -> None:
        super().__init__(store, clock=clock, audit=audit)
        self._policy = policy or KeyPolicy()
        self._new_token = new_token
        self._peppers = peppers

    def new_digest(self) -> tuple[Token, str]:
        """A token that is not stored, and the digest with which it can be imported, here or elsewhere."""
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
        """Raises what `generate`, or with an id and a digest `import_digest`, would, but makes nothing."""
        if id is None or digest is None:
            self._draft("0" * 32, NO_DIGEST, fields, ttl_seconds, expires_at, by)
        elif await self._held(id, parsed := self._known_digest(digest)) is None:
            self._draft(id, parsed, fields, ttl_seconds, expires_at, by)
        else:
            checked(fields)

    async def generate(
        self,
        *,
        ttl_seconds: int | None = None,
        expires_at: int | Unset | None = UNSET,
        repeat: str | None = None,
        by: Actor = GATEWAY,
        **fields: Any,
    ) -> Issued:
        """Make and store a key; `fields` are those of `keys.fields`.

        `repeat`: an Idempotency-Key; what was made with it within the last hour is told again. Raises
        InvalidRequest, also where the policy refuses the key's end.
        """
        repeats = None
        if repeat is not None:
            end = "unset" if expires_at is UNSET else expires_at
            asked = {**fields, "ttl_seconds": ttl_seconds, "expires_at": end}
            repeats = await IdempotentRequest.of(self._store, repeat, by, asked)
            if (earlier := await repeats.earlier()) is not None:
                return await self._finish(earlier, by)
        token = self._new_token()
        digest = self._hasher.make(token.secret)
        issued = Issued(self._draft(token.id, digest, fields, ttl_seconds, expires_at, by), token.text())
        if repeats is not None and not await repeats.claim(issued):
            earlier = await repeats.earlier()
            if earlier is None:  # it ended in the very moment
                raise StoreDown("a repeated creation came as the first was being forgotten")
            return await self._finish(earlier, by)
        added = await self._add(issued.key, "key.generated", by)
        if not added and repeats is None:  # else a repetition has finished this request in between
            raise StoreDown("the source of key ids repeats itself")
        return issued

    async def _finish(self, earlier: Issued, by: Actor) -> Issued:
        """Store what an earlier request may have died before storing."""
        if await self._store.get(KIND, earlier.key.id) is None:
            await self._add(earlier.key, "key.generated", by)
        return earlier

    async def revoke(self, id: str, *, by: Actor = GATEWAY) -> bool:
        """End a key for good; False when it is unknown or was revoked before."""
        now = int(self._clock())

        def edit(key: ApiKey) -> dict[str, Any] | None:
            return {"revoked_at": now} if key.revoked_at is None else None

        return await self._change(id, edit, "key.revoked", by) is not None

    async def set_expiration(
        self,
        id: str,
        *,
        expires_at: int | Unset | None = UNSET,
        ttl_seconds: int | None = None,
        by: Actor = GATEWAY,
    ) -> ApiKey | None:
        """Move a key's end, revoked keys' too; neither argument, or null, clears it.

        Returns the changed key, None for an unknown id. Raises InvalidRequest.
        """
        now = int(self._clock())
        end = self._policy.at_change(now, ttl_seconds=ttl_seconds, expires_at=expires_at)
        check_end(by, end)

        def edit(key: ApiKey) -> dict[str, Any]:
            if end is None or (key.expires_at is not None and end > key.expires_at):
                check_rights(by, key)  # longer life is something given, too
            grace = key.previous
            if grace is None or end is None or grace.expires_at <= end:
                return {"expires_at": end}
            return {"expires_at": end, "previous": replace(grace, expires_at=end).document()}

        return await self._change(id, edit, "key.expiration_set", by)

    async def update(self, id: str, *, by: Actor = GATEWAY, **fields: Any) -> ApiKey | None:
        """Change what its maker said of a key: the fields that are given, whole; None clears one.

        Returns the changed key, None for an unknown id. Raises InvalidRequest.
        """
        changes = checked(fields)

        def edit(key: ApiKey) -> dict[str, Any]:
            if "scopes" in changes or "limits" in changes:
                check_rights(by, ApiKey.read({**key.document(), **changes}))
            return changes

        return await self._change(id, edit, "key.updated", by)

    async def rotate(
        self,
        id: str,
        *,
        grace_seconds: int = 0,
        force: bool = False,
        repeat: str | None = None,
        by: Actor = GATEWAY,
    ) -> Issued | None:
        """Give a key another secret; the one it had opens for `grace_seconds` more, never past the key's end.

        The one before that ends at once: while its grace runs, only with `force`. `repeat`: as in `generate`.
        Returns None for an unknown id. Raises InvalidRequest, and Conflict for a key that is revoked,
        expired, or within a grace.
        """
        token = replace(self._new_token(), id=id)
        digest = self._hasher.make(token.secret)
        rotation = Rotation(digest, int(self._clock()), grace_seconds, force, by)
        if repeat is None:
            key = await self._change(id, rotation.fields, "key.rotated", by)
            return None if key is None else Issued(key, token.text())
        asked = {"operation": "rotate", "id": id, "grace_seconds": grace_seconds, "force": force}
        repeats = await IdempotentRequest.of(self._store, repeat, by, asked)
        planned = await repeats.earlier()
        if planned is None:
            if (held := await self.get(id)) is None:
                return None
            try:
                planned = rotation.planned(held, token.text())
            except Conflict:
                if (planned := await repeats.earlier()) is None:  # else it is this rotation, made meanwhile
                    raise
            else:
                if not await repeats.claim(planned) and (planned := await repeats.earlier()) is None:
                    raise StoreDown("a repeated rotation came as the first was being forgotten")
        if not repeats.done:
            await self._change(id, partial(unfinished, planned.key), "key.rotated", by)
            await repeats.settle()
        return planned

    async def once(
        self,
        operation: str,
        asked: Mapping[str, Any],
        work: Callable[[], Awaitable[Document]],
        *,
        repeat: str | None,
        by: Actor,
    ) -> Document:
        """What `work` answers; a repetition with the same Idempotency-Key (`repeat`) does it no second time.

        Raises InvalidRequest where `asked` differs, Conflict while the first is at work.
        """
        if repeat is None:
            return await work()
        repeats = await IdempotentRequest.of(self._store, repeat, by, {"operation": operation, **asked})
        return await repeats.answer(work)

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
        """Store a key whose token nobody here knows; `digest` is the text of a hash, as in `keys.hashing`.

        Returns the key, and False where the same one is there already. Raises InvalidRequest, and Conflict
        where the id is another key's.
        """
        parsed = self._known_digest(digest)
        if (held := await self._held(id, parsed)) is not None:
            return held, False
        key = self._draft(id, parsed, fields, ttl_seconds, expires_at, by)
        if not await self._add(key, "key.imported", by):
            raise _id_taken()  # just now; asked again, it is found to be the same or another
        return key, True

    # -- how ---------------------------------------------------------------------------------------

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
        """A new key's record, checked but not stored."""
        now = int(self._clock())
        end = self._policy.at_creation(now, ttl_seconds=ttl_seconds, expires_at=expires_at)
        bare = ApiKey(id=id, created_at=now, digest=digest, expires_at=end)
        key = ApiKey.read({**bare.document(), **checked(fields)})
        check_within(by, key)
        return key

    def _known_digest(self, text: str) -> Digest:
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
            raise InvalidRequest(f"There is no pepper '{digest.pepper}' here.", param="digest")
        return digest

    async def _held(self, id: str, digest: Digest) -> ApiKey | None:
        """The key of this id and digest. Raises InvalidRequest, and Conflict where the id is another's."""
        if not is_key_id(id):
            raise InvalidRequest("id must be 32 hex digits, in lower case", param="id")
        entry = await self._store.get(KIND, id)
        held = None if entry is None else read_entry(id, entry)
        if entry is not None and (held is None or held.digest != digest):
            raise _id_taken()
        return held


def _id_taken() -> Conflict:
    return Conflict("There is another key with this id.", code="key_exists", param="id")
