"""Documents that the HTTP API and the command line show of keys."""

from collections.abc import Sequence
from typing import Any

from chat2response.keys.actor import Actor
from chat2response.keys.listing import KeyPage
from chat2response.keys.record import ApiKey, IssuedKey
from chat2response.keys.repository import KeyRepository
from chat2response.keys.service import KeyService


def issued_document(issued: IssuedKey) -> dict[str, Any]:
    """A new key and its token in the Rust edition's field order; then the newer fields that are set."""
    key = issued.key
    document: dict[str, Any] = {
        "id": key.id,
        "token": issued.token,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "label": key.label,
        "scopes": None if key.scopes is None else list(key.scopes),
    }
    newer = {
        "owner": key.owner,
        "metadata": key.metadata,
        "limits": None if key.limits is None else key.limits.document(),
        "rotated_at": key.rotated_at,
        "grace_expires_at": None if key.previous is None else key.previous.expires_at,
    }
    return document | {name: value for name, value in newer.items() if value is not None}


async def revoke_key(service: KeyService, id: str, *, by: Actor) -> dict[str, Any]:
    """Revoke a key; the document tells whether this call did it, and if not, why. Raises StoreDown."""
    if await service.revoke(id, by=by):
        return {"revoked": True, "id": id}
    known = await service.repository.get(id) is not None
    return {"revoked": False, "id": id, "reason": "already_revoked" if known else "unknown_key"}


async def key_details(repository: KeyRepository, keys: Sequence[ApiKey]) -> list[dict[str, Any]]:
    """The details of keys, and their use. Raises StoreDown."""
    uses = await repository.last_used.read([key.id for key in keys])
    return [key.details(repository.clock()) | use.document() for key, use in zip(keys, uses, strict=True)]


async def page_document(repository: KeyRepository, page: KeyPage) -> dict[str, Any]:
    """A page in the form of OpenAI's list objects. Raises StoreDown."""
    return {
        "object": "list",
        "data": await key_details(repository, page.keys),
        "has_more": page.cursor is not None,
        "next_cursor": page.cursor,
    }
