"""`keys generate` and `keys digest`."""

from typing import Any

from chat2response.cli.keys.asked import end_of, fields_of
from chat2response.cli.keys.desk import Desk
from chat2response.cli.keys.tables import card
from chat2response.keys.views import issued_document


async def generate(desk: Desk, **asked: Any) -> None:
    """A key."""
    issued = await desk.book.generate(**end_of(asked), **fields_of(asked), by=desk.actor)
    document = issued_document(issued)
    desk.tell(document, lambda: card(document))


async def digest(desk: Desk) -> None:
    """A token that no store knows yet, and its digest."""
    token, digest = desk.book.new_digest()
    document = {"id": token.id, "digest": digest, "token": token.text()}
    desk.tell(document, lambda: card(document))
