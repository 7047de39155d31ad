"""Keys as HTTP and shell show them."""

from collections.abc import Sequence
from typing import Any

from chat2response.keys.actor import Actor
from chat2response.keys.listing import KeyPage
from chat2response.keys.record import ApiKey, Issued
from chat2response.keys.service import KeyService


def issued_document(issued: Issued) -> dict[str, Any]:
    """A new key and its token, in the order of the Rust edition; then what else was said of it."""
    key = issued.key
    document: dict[str, Any] = {
        "id": key.id,
        "token": issued.token,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "label": key.label,
        "scopes": None if key.scopes is None else list(key.scopes),
    }
    said = {
        "owner": key.owner,
        "metadata": key.metadata,
        "limits": None if key.limits is None else key.limits.document(),
        "rotated_at": key.rotated_at,
        "grace_expires_at": None if key.previous is None else key.previous.expires_at,
    }
    return document | {name: value for name, value in said.items() if value is not None}


async def revoked_document(book: KeyService, id: str, *, by: Actor) -> dict[str, Any]:
    """Revokes a key; the answer says whether it was done now, and if not, why. Raises StoreDown."""
    if await book.revoke(id, by=by):
        return {"revoked": True, "id": id}
    known = await book.get(id) is not None
    return {"revoked": False, "id": id, "reason": "already_revoked" if known else "unknown_key"}


async def detailed(book: KeyService, keys: Sequence[ApiKey]) -> list[dict[str, Any]]:
    """All that may be shown of keys, with what is known of their use. Raises StoreDown."""
    used = await book.use.read([key.id for key in keys])
    return [key.details(book.now()) | each.document() for key, each in zip(keys, used, strict=True)]


async def page_document(book: KeyService, page: KeyPage) -> dict[str, Any]:
    """A page of a list, in the form of OpenAI's lists. Raises StoreDown."""
    return {
        "object": "list",
        "data": await detailed(book, page.keys),
        "has_more": page.cursor is not None,
        "next_cursor": page.cursor,
    }
