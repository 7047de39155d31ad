"""`KeyAdmin`: what the commands do with keys, as documents; `StoredKeys` does it in the store itself."""

from collections.abc import Mapping
from typing import Any, Protocol

from chat2response.errors import InvalidRequest
from chat2response.keys import Actor, KeyService
from chat2response.keys.expiry_policy import KeyPolicy
from chat2response.keys.grants import scope_warnings
from chat2response.keys.listing import Filter
from chat2response.keys.views import issued_document, key_details, page_document, revoke_key

Document = dict[str, Any]


class KeyAdmin(Protocol):
    """Documents are those of the HTTP endpoints; None: there is no such key. Raises BridgeError.

    `warnings`: what has to be told of what was done.
    """

    warnings: list[str]

    async def generate(self, **asked: Any) -> Document: ...
    async def every(self) -> list[Document]: ...
    async def page(self, wanted: Mapping[str, Any], *, cursor: str | None, limit: int) -> Document: ...
    async def show(self, id: str) -> Document | None: ...
    async def revoke(self, id: str) -> Document: ...
    async def set_expiration(self, id: str, **end: Any) -> Document | None: ...
    async def rotate(self, id: str, *, grace_seconds: int, force: bool) -> Document | None: ...
    async def update(self, id: str, **fields: Any) -> Document | None: ...
    async def dead(self, older_than: int) -> int | None: ...
    async def purge(self, older_than: int, *, limit: int) -> tuple[int, bool]: ...


class StoredKeys:
    """`policy`: that of this shell's settings."""

    def __init__(self, book: KeyService, actor: Actor, policy: KeyPolicy) -> None:
        self.book = book
        self.actor = actor
        self._policy = policy
        self.warnings: list[str] = []

    async def generate(self, **asked: Any) -> Document:
        """A new key, and its token."""
        self._check_end(asked)
        issued = await self.book.generate(**asked, by=self.actor)
        self.warnings += scope_warnings(asked.get("scopes") or ())
        return issued_document(issued)

    async def every(self) -> list[Document]:
        """All keys, oldest first."""
        return [key.public() for key in await self.book.list()]

    async def page(self, wanted: Mapping[str, Any], *, cursor: str | None, limit: int) -> Document:
        """Some of those that the filter `wanted` lets through."""
        return await page_document(
            self.book, await self.book.page(Filter(**wanted), cursor=cursor, limit=limit)
        )

    async def show(self, id: str) -> Document | None:
        """All that is known of a key."""
        key = await self.book.get(id)
        return None if key is None else (await key_details(self.book, [key]))[0]

    async def revoke(self, id: str) -> Document:
        """Whether it was revoked now, and if not, why."""
        return await revoke_key(self.book, id, by=self.actor)

    async def set_expiration(self, id: str, **end: Any) -> Document | None:
        """Sets when a key expires; None for an unknown key."""
        self._check_end(end)
        key = await self.book.set_expiration(id, **end, by=self.actor)
        return None if key is None else {"updated": True, "id": id, "expires_at": key.expires_at}

    async def rotate(self, id: str, *, grace_seconds: int, force: bool) -> Document | None:
        """The key with its new token."""
        issued = await self.book.rotate(id, grace_seconds=grace_seconds, force=force, by=self.actor)
        return None if issued is None else issued_document(issued)

    async def update(self, id: str, **fields: Any) -> Document | None:
        """The changed key."""
        key = await self.book.update(id, **fields, by=self.actor)
        self.warnings += scope_warnings(fields.get("scopes") or ())
        return None if key is None else key.details(self.book.now())

    async def dead(self, older_than: int) -> int | None:
        """How many a purge would remove; None where that cannot be told."""
        return await self.book.count_purgeable(older_than)

    async def purge(self, older_than: int, *, limit: int) -> tuple[int, bool]:
        """How many were removed, and whether there are more."""
        return await self.book.purge(older_than, limit=limit, by=self.actor)

    def _check_end(self, asked: Mapping[str, Any]) -> None:
        setting = self._policy.forbids_never
        if "expires_at" in asked and asked["expires_at"] is None and setting is not None:
            raise InvalidRequest(
                f"--never: this shell's settings forbid keys without an end ({setting}). "
                "CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION=1 allows them.",
                param="expires_at",
            )
