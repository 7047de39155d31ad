"""The `keys` commands that work on single keys and lists: generate, digest, list, show, set-expiration,
rotate, update, purge."""

from collections.abc import Mapping
from typing import Any

import click

from chat2response.cli.keys.arguments import expiration_of, fields_of
from chat2response.cli.keys.context import CommandContext, unknown_key
from chat2response.cli.keys.find_key import confirm, find_id
from chat2response.cli.keys.format import card, format_time, table
from chat2response.cli.keys.key_admin import Document
from chat2response.keys import UNSET
from chat2response.keys.listing import MAX_PAGE_SIZE

_QUESTION = "Change it?"


async def generate(context: CommandContext, *, quiet: bool, **params: Any) -> None:
    """Issues a key."""
    document = await context.keys.generate(**expiration_of(params), **fields_of(params))
    context.print(document, lambda: document["token"] if quiet else card(document))


async def digest(context: CommandContext) -> None:
    """Generates a token and its digest, without a store."""
    token, digest = context.service.new_digest()
    document = {"id": token.id, "digest": digest, "token": token.text()}
    context.print(document, lambda: card(document))


async def list_keys(
    context: CommandContext, *, limit: int | None, cursor: str | None, **filters: Any
) -> None:
    """Prints all keys, or a page of them."""
    paged = limit is not None or cursor is not None
    filtered = any(value is not None for value in filters.values())
    if context.as_json and not paged and not filtered:
        return context.print(await context.keys.list_all(), str)
    if paged:
        document = await context.keys.page(filters, cursor=cursor, limit=limit or 100)
    else:
        matches = await list_matching(context, filters)
        document = {"object": "list", "data": matches, "has_more": False, "next_cursor": None}
    next_page = document["next_cursor"]
    more = f"\nFor more, use --cursor {next_page}" if next_page else ""
    return context.print(document, lambda: table(document["data"]) + more)


async def list_matching(context: CommandContext, filters: Mapping[str, Any]) -> list[Document]:
    """The details of all keys that match the filters, oldest first."""
    matches: dict[str, Document] = {}
    cursor = None
    while True:
        page = await context.keys.page(filters, cursor=cursor, limit=MAX_PAGE_SIZE)
        matches |= {key["id"]: key for key in page["data"]}
        if (cursor := page["next_cursor"]) is None:
            return sorted(matches.values(), key=lambda key: (key["created_at"], key["id"]))


async def show(context: CommandContext, *, id: str) -> None:
    """Prints one key."""
    id = await find_id(context, id, None)
    document = await context.keys.show(id)
    if document is None:
        raise unknown_key(id)
    context.print(document, lambda: card(document))


async def set_expiration(context: CommandContext, *, id: str, yes: bool, **params: Any) -> None:
    """Changes when a key expires.

    Unlike the endpoint, the command does not treat a missing value as never.
    """
    expiration = expiration_of(params)
    if expiration["expires_at"] is UNSET and expiration["ttl_seconds"] is None:
        raise click.UsageError("Set the expiration with --ttl, --expires-at or --never.")
    id = await find_id(context, id, _QUESTION, yes=yes)
    document = await context.keys.set_expiration(id, **expiration)
    if document is None:
        raise unknown_key(id)
    expires_at = document["expires_at"]
    when = "never expires" if expires_at is None else f"expires {format_time(expires_at)}"
    context.print(document, lambda: f"{id} {when}")


async def rotate(
    context: CommandContext, *, id: str, grace: int, force: bool, yes: bool, quiet: bool
) -> None:
    """Gives a key a new secret; the output shows when the old one expires."""
    id = await find_id(context, id, _QUESTION, yes=yes)
    document = await context.keys.rotate(id, grace_seconds=grace, force=force)
    if document is None:
        raise unknown_key(id)
    context.print(document, lambda: document["token"] if quiet else card(document))


async def update(
    context: CommandContext, *, id: str, clear: tuple[str, ...], yes: bool, **params: Any
) -> None:
    """Changes at least one field. Limits and metadata are merged with those that the key has."""
    fields = fields_of(params)
    if both := sorted(set(fields) & set(clear)):
        raise click.UsageError(f"Use either --clear {both[0]}, or a new value for {both[0]}.")
    if not fields and not clear:
        raise click.UsageError("There is nothing to change. Set a field, or --clear one.")
    id = await find_id(context, id, _QUESTION, yes=yes)
    if fields.keys() & {"limits", "metadata"} and (stored := await context.keys.show(id)) is not None:
        for name in fields.keys() & {"limits", "metadata"}:
            fields[name] = {**(stored.get(name) or {}), **fields[name]}
    document = await context.keys.update(id, **fields, **dict.fromkeys(clear))
    if document is None:
        raise unknown_key(id)
    context.print(document, lambda: card(document))


async def purge(context: CommandContext, *, older_than: int, yes: bool) -> None:
    """Removes dead keys in batches, and shows the progress."""
    if not yes:
        count = await context.keys.count_dead(older_than)
        if count == 0:
            context.print({"purged": 0}, lambda: "there are no keys to purge")
            return
        what = "all dead keys" if count is None else f"{count} dead {'key' if count == 1 else 'keys'}"
        confirm(f"This removes {what} and cannot be undone. Continue?", yes=False)
    total, more = 0, True
    while more:
        purged, more = await context.keys.purge(older_than, limit=1000)
        total += purged
        if more:
            click.echo(f"{total} removed so far", err=True)
    context.print({"purged": total}, lambda: f"{total} {'key' if total == 1 else 'keys'} removed")
