"""`keys generate` and `keys digest`."""

from typing import Any

from chat2response.cli.keys.arguments import end_of, fields_of
from chat2response.cli.keys.context import Desk
from chat2response.cli.keys.format import card


async def generate(desk: Desk, *, quiet: bool, **asked: Any) -> None:
    """A key."""
    document = await desk.keys.generate(**end_of(asked), **fields_of(asked))
    desk.tell(document, lambda: document["token"] if quiet else card(document))


async def digest(desk: Desk) -> None:
    """A token that no store knows yet, and its digest."""
    token, digest = desk.book.new_digest()
    document = {"id": token.id, "digest": digest, "token": token.text()}
    desk.tell(document, lambda: card(document))
