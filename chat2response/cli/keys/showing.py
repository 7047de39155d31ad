"""`keys list` and `keys show`."""

from typing import Any

from chat2response.cli.keys.desk import Desk, unknown
from chat2response.cli.keys.tables import card, table
from chat2response.keys import ApiKey
from chat2response.keys.listing import MOST, Filter, KeyPage
from chat2response.keys.views import detailed, page_document


async def list_keys(desk: Desk, *, limit: int | None, cursor: str | None, **wanted: Any) -> None:
    """All keys, or a page of them."""
    paged = limit is not None or cursor is not None
    filtered = any(value is not None for value in wanted.values())
    if desk.as_json and not paged and not filtered:
        return desk.tell([key.public() for key in await desk.book.list()], str)
    found = Filter(**wanted)
    page = await (desk.book.page(found, cursor=cursor, limit=limit or 100) if paged else _all(desk, found))
    document = await page_document(desk.book, page)
    more = f"\nMore with --cursor {page.cursor}" if page.cursor else ""
    return desk.tell(document, lambda: table(document["data"]) + more)


async def _all(desk: Desk, wanted: Filter) -> KeyPage:
    found: dict[str, ApiKey] = {}
    cursor = None
    while True:
        page = await desk.book.page(wanted, cursor=cursor, limit=MOST)
        found |= {key.id: key for key in page.keys}
        if (cursor := page.cursor) is None:
            return KeyPage(sorted(found.values(), key=ApiKey.age), None)


async def show(desk: Desk, *, id: str) -> None:
    """One key."""
    key = await desk.book.get(id)
    if key is None:
        raise unknown(id)
    (document,) = await detailed(desk.book, [key])
    desk.tell(document, lambda: card(document))
