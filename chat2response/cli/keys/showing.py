"""`keys list` and `keys show`."""

from collections.abc import Mapping
from typing import Any

from chat2response.cli.keys.context import Desk, unknown
from chat2response.cli.keys.find_key import find
from chat2response.cli.keys.format import card, table
from chat2response.cli.keys.key_admin import Document
from chat2response.keys.listing import MAX_PAGE_SIZE


async def list_keys(desk: Desk, *, limit: int | None, cursor: str | None, **wanted: Any) -> None:
    """All keys, or a page of them."""
    paged = limit is not None or cursor is not None
    filtered = any(value is not None for value in wanted.values())
    if desk.as_json and not paged and not filtered:
        return desk.tell(await desk.keys.every(), str)
    if paged:
        document = await desk.keys.page(wanted, cursor=cursor, limit=limit or 100)
    else:
        found = await every(desk, wanted)
        document = {"object": "list", "data": found, "has_more": False, "next_cursor": None}
    next_page = document["next_cursor"]
    more = f"\nMore with --cursor {next_page}" if next_page else ""
    return desk.tell(document, lambda: table(document["data"]) + more)


async def every(desk: Desk, wanted: Mapping[str, Any]) -> list[Document]:
    """The details of all keys that the filter lets through, oldest first."""
    found: dict[str, Document] = {}
    cursor = None
    while True:
        page = await desk.keys.page(wanted, cursor=cursor, limit=MAX_PAGE_SIZE)
        found |= {key["id"]: key for key in page["data"]}
        if (cursor := page["next_cursor"]) is None:
            return sorted(found.values(), key=lambda key: (key["created_at"], key["id"]))


async def show(desk: Desk, *, id: str) -> None:
    """One key."""
    id = await find(desk, id, None)
    document = await desk.keys.show(id)
    if document is None:
        raise unknown(id)
    desk.tell(document, lambda: card(document))
