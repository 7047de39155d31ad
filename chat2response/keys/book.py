"""The book of keys: their records in a store, made, listed, changed and ended.

Each change is a compare-and-set on the stored document, never on a remembered key, so that changes of
several processes do not undo each other, and fields that are not ours survive.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chat2response.errors import Conflict, InvalidRequest
from chat2response.keys import use
from chat2response.keys.actor import GATEWAY, Actor
from chat2response.keys.delegation import check_end, check_rights, check_within
from chat2response.keys.fields import checked
from chat2response.keys.listing import Filter, KeyPage, page
from chat2response.keys.pepper import Peppers
from chat2response.keys.policy import LAST_MOMENT, UNSET, KeyPolicy, Unset
from chat2response.keys.record import KIND, NO_DIGEST, ApiKey, Digest, Retired, compact, read_entry
from chat2response.keys.token import Token, is_key_id, new_token
from chat2response.stores import ABSENT, Entry, Store, StoreDown

if TYPE_CHECKING:
    from chat2response.keys.hashing import Hasher

LEAST_AGE = 3600
"""Seconds a key must be dead before it may be purged: as long as a repeated creation is recognised."""
_STEP = 200  # keys looked at between two waits for the store
_AT_ONCE = 0.001  # seconds; the shortest life that every store knows

Keys = list[ApiKey]  # named here, for inside KeyBook `list` is a method
Edit = Callable[[ApiKey], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Issued:
    """A key with a new secret, and its token: this is the only time it is seen."""

    key: ApiKey
    token: str = field(repr=False)


class KeyBook:
    """Keys in a store. `clock`: epoch seconds. Every method raises StoreDown.

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
    ) -> None:
        self._store = store
        self._policy = policy or KeyPolicy()
        self._clock = clock
        self._new_token = new_token
        self._peppers = peppers

    # -- one key -----------------------------------------------------------------------------------

    async def get(self, id: str) -> ApiKey | None:
        """The key; None where there is none that can be read."""
        entry = await self._store.get(KIND, id) if is_key_id(id) else None
        return None if entry is None else read_entry(id, entry)

    def now(self) -> float:
        """The time that keys go by, in epoch seconds."""
        return self._clock()

    def new_digest(self) -> tuple[Token, str]:
        """A token that is not stored, and the digest with which it can be imported, here or elsewhere."""
        from chat2response.keys.hashing import digest_text

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

    async def generate(
        self,
        *,
        ttl_seconds: int | None = None,
        expires_at: int | Unset | None = UNSET,
        by: Actor = GATEWAY,
        **fields: Any,
    ) -> Issued:
        """Make and store a key; `fields` are those of `keys.fields`.

        Raises InvalidRequest, also where the policy refuses its end.
        """
        token = self._new_token()
        digest = self._hasher.make(token.secret)
        key = self._draft(token.id, digest, fields, ttl_seconds, expires_at, by)
        if not await self._store.put(KIND, key.id, key.document(), expect=ABSENT):
            raise StoreDown("the source of key ids repeats itself")
        self._made(key.id)
        return Issued(key, token.text())

    async def revoke(self, id: str, *, by: Actor = GATEWAY) -> bool:
        """End a key for good; False when it is unknown or was revoked before."""
        now = int(self._clock())

        def edit(key: ApiKey) -> dict[str, Any] | None:
            return {"revoked_at": now} if key.revoked_at is None else None

        return await self._change(id, edit) is not None

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
            grace = key.previous
            if grace is None or end is None or grace.expires_at <= end:
                return {"expires_at": end}
            return {"expires_at": end, "previous": replace(grace, expires_at=end).document()}

        return await self._change(id, edit)

    async def update(self, id: str, *, by: Actor = GATEWAY, **fields: Any) -> ApiKey | None:
        """Change what its maker said of a key: the fields that are given, whole; None clears one.

        Returns the changed key, None for an unknown id. Raises InvalidRequest.
        """
        changes = checked(fields)

        def edit(key: ApiKey) -> dict[str, Any]:
            if "scopes" in changes or "limits" in changes:
                check_rights(by, ApiKey.read({**key.document(), **changes}))
            return changes

        return await self._change(id, edit)

    async def rotate(self, id: str, *, grace_seconds: int = 0, by: Actor = GATEWAY) -> Issued | None:
        """Give a key another secret; the one it had opens for `grace_seconds` more, never past the key's end.

        The one before that ends at once. Returns None for an unknown id. Raises InvalidRequest, and Conflict
        for a key that is revoked or expired.
        """
        now = int(self._clock())
        if type(grace_seconds) is not int or not 0 <= grace_seconds <= LAST_MOMENT - now:
            raise InvalidRequest("grace_seconds must be a whole number of seconds", param="grace_seconds")
        token = replace(self._new_token(), id=id)
        digest = self._hasher.make(token.secret)

        def edit(key: ApiKey) -> dict[str, Any]:
            if (state := key.state(now)) != "active":
                raise Conflict(f"The key is {state}: its secret cannot be renewed.", code=f"key_{state}")
            check_within(by, key)
            until = now + grace_seconds
            previous = Retired(key.digest, until if key.expires_at is None else min(until, key.expires_at))
            return {**digest.document(), "previous": previous.document(), "rotated_at": now}

        key = await self._change(id, edit)
        return None if key is None else Issued(key, token.text())

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
        if not await self._store.put(KIND, id, key.document(), expect=ABSENT):
            raise _id_taken()  # just now; asked again, it is found to be the same or another
        self._made(id)
        return key, True

    # -- all of them -------------------------------------------------------------------------------

    async def list(self) -> Keys:
        """All keys, revoked and expired ones too, oldest first."""
        found: dict[str, ApiKey] = {}  # by id: a scan may meet a key twice
        cursor = None
        while True:
            page = await self._store.scan(KIND, cursor=cursor, limit=500)
            found |= {id: key for id, entry in page.entries if (key := read_entry(id, entry)) is not None}
            if (cursor := page.cursor) is None:
                return sorted(found.values(), key=lambda key: (key.created_at, key.id))

    async def page(
        self, wanted: Filter | None = None, *, cursor: str | None = None, limit: int = 100
    ) -> KeyPage:
        """Some keys, and where to go on. Raises InvalidRequest."""
        return await page(self._store, wanted or Filter(), self._clock(), cursor=cursor, limit=limit)

    async def purge(self, older_than: int, *, limit: int = 10_000, by: Actor = GATEWAY) -> tuple[int, bool]:
        """Remove keys that have been dead for `older_than` seconds, with what is known of their use.

        At most about `limit` keys; returns how many, and whether there may be more. Raises InvalidRequest.
        """
        if type(older_than) is not int or older_than < LEAST_AGE:
            raise InvalidRequest(
                f"older_than_seconds must be a whole number of at least {LEAST_AGE}",
                param="older_than_seconds",
            )
        purged, cursor = 0, None
        while True:
            step = await self._store.scan(KIND, cursor=cursor, limit=_STEP)
            for id, entry in step.entries:
                purged += await self._purge_one(id, entry, older_than)
            if (cursor := step.cursor) is None or purged >= limit:
                return purged, cursor is not None

    async def _purge_one(self, id: str, entry: Entry, older_than: int) -> bool:
        now = self._clock()
        key = read_entry(id, entry)
        dead = key.dead_since(now) if key is not None else None
        if dead is None or dead > now - older_than:
            return False
        # A delete would not notice that the key was given a new end meanwhile; an end of its document does.
        if not await self._store.put(KIND, id, entry.doc, ttl=_AT_ONCE, expect=entry.tag):
            return False
        self._changed(id)
        await self._store.delete(use.KIND, id)
        return True

    # -- how ---------------------------------------------------------------------------------------

    @cached_property
    def _hasher(self) -> "Hasher":
        from chat2response.keys.hashing import Hasher

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
        from chat2response.keys.hashing import parse_digest

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

    async def _change(self, id: str, edit: Edit) -> ApiKey | None:
        """Apply `edit` to the record; None when there is none, or `edit` finds nothing to do."""
        if not is_key_id(id):
            return None
        try:
            while True:
                entry = await self._store.get(KIND, id)
                if entry is None or (key := read_entry(id, entry)) is None or (fields := edit(key)) is None:
                    return None
                changed = compact({**entry.doc, **fields})
                if await self._store.put(KIND, id, changed, expect=entry.tag):
                    return ApiKey.read(changed)
        finally:
            self._changed(id)

    def _made(self, id: str) -> None:
        """A key was made: for who remembers that there was none."""

    def _changed(self, id: str) -> None:
        """A key was changed, or may have been: for who remembers keys."""


def _id_taken() -> Conflict:
    return Conflict("There is another key with this id.", code="key_exists", param="id")
