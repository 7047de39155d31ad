"""`KeyAdmin`: the operations on keys that commands use. `StoredKeys` works on the store directly."""

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
    """Returns the documents of the HTTP endpoints; None if there is no such key. Raises BridgeError.

    `warnings`: collects warnings for the operator.
    """

    warnings: list[str]

    async def generate(self, **params: Any) -> Document: ...
    async def list_all(self) -> list[Document]: ...
    async def page(self, filters: Mapping[str, Any], *, cursor: str | None, limit: int) -> Document: ...
    async def show(self, id: str) -> Document | None: ...
    async def revoke(self, id: str) -> Document: ...
    async def set_expiration(self, id: str, **expiration: Any) -> Document | None: ...
    async def rotate(self, id: str, *, grace_seconds: int, force: bool) -> Document | None: ...
    async def update(self, id: str, **fields: Any) -> Document | None: ...
    async def count_dead(self, older_than: int) -> int | None: ...
    async def purge(self, older_than: int, *, limit: int) -> tuple[int, bool]: ...


class StoredKeys:
    """Works on a store through the key service. `policy`: the expiration policy of this shell's settings."""

    def __init__(self, service: KeyService, actor: Actor, policy: KeyPolicy) -> None:
        self.service = service
        self.actor = actor
        self._policy = policy
        self.warnings: list[str] = []

    async def generate(self, **params: Any) -> Document:
        """Issues a key."""
        self._check_expiration(params)
        issued = await self.service.generate(**params, by=self.actor)
        self.warnings += scope_warnings(params.get("scopes") or ())
        return issued_document(issued)

    async def list_all(self) -> list[Document]:
        """All keys, oldest first."""
        return [key.public() for key in await self.service.repository.list()]

    async def page(self, filters: Mapping[str, Any], *, cursor: str | None, limit: int) -> Document:
        """A page of the keys that match the filters."""
        repository = self.service.repository
        return await page_document(
            repository, await repository.page(Filter(**filters), cursor=cursor, limit=limit)
        )

    async def show(self, id: str) -> Document | None:
        """The details of a key."""
        key = await self.service.repository.get(id)
        return None if key is None else (await key_details(self.service.repository, [key]))[0]

    async def revoke(self, id: str) -> Document:
        """Revokes a key. The document shows whether that changed anything, and if not, why."""
        return await revoke_key(self.service, id, by=self.actor)

    async def set_expiration(self, id: str, **expiration: Any) -> Document | None:
        """Sets when a key expires; None for an unknown key."""
        self._check_expiration(expiration)
        key = await self.service.set_expiration(id, **expiration, by=self.actor)
        return None if key is None else {"updated": True, "id": id, "expires_at": key.expires_at}

    async def rotate(self, id: str, *, grace_seconds: int, force: bool) -> Document | None:
        """Gives a key a new secret."""
        issued = await self.service.rotate(id, grace_seconds=grace_seconds, force=force, by=self.actor)
        return None if issued is None else issued_document(issued)

    async def update(self, id: str, **fields: Any) -> Document | None:
        """Changes fields of a key."""
        key = await self.service.update(id, **fields, by=self.actor)
        self.warnings += scope_warnings(fields.get("scopes") or ())
        return None if key is None else key.details(self.service.repository.clock())

    async def count_dead(self, older_than: int) -> int | None:
        """How many keys a purge would remove; None if that is unknown."""
        return await self.service.repository.count_purgeable(older_than)

    async def purge(self, older_than: int, *, limit: int) -> tuple[int, bool]:
        """Removes dead keys. Returns how many, and whether there are more."""
        return await self.service.repository.purge(older_than, limit=limit, by=self.actor)

    def _check_expiration(self, params: Mapping[str, Any]) -> None:
        setting = self._policy.forbids_never
        if "expires_at" in params and params["expires_at"] is None and setting is not None:
            raise InvalidRequest(
                f"--never: this shell's settings forbid keys that never expire ({setting}). "
                "Set CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION=1 to allow them.",
                param="expires_at",
            )
