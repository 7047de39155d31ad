"""Finds a key by its id, its token or a prefix of its id; asks for confirmation before changes."""

import sys
from typing import Any

import click

from chat2response.cli.keys.context import CommandContext, unknown_key
from chat2response.errors import InvalidRequest, NotFound
from chat2response.keys.tokens.token import id_in, is_key_id

_ID_DIGITS = 32
_MAX_LISTED = 5  # ids in an error message


async def find_id(context: CommandContext, text: str, question: str | None, *, yes: bool = False) -> str:
    """The id of the key that `text` names: its id, its token, or a unique prefix of its id.

    For a prefix, shows the key and asks `question` ("Revoke it?"); None asks nothing.
    Raises NotFound, InvalidRequest, UsageError; none of them repeats a token.
    """
    id = id_in(text)
    if is_key_id(id):
        return id
    if len(id) > _ID_DIGITS:  # may be a secret, so the message repeats nothing of it
        raise NotFound(
            f"There is no such key: an id has {_ID_DIGITS} hex digits, but this has {len(id)} characters.",
            code="unknown_key",
            param="id",
        )
    prefix = id.lower()
    if not prefix or not set(prefix) <= set("0123456789abcdef"):
        raise unknown_key(id)
    matches = [key for key in await context.keys.list_all() if key["id"].startswith(prefix)]
    if not matches:
        raise unknown_key(id)
    if len(matches) > 1:
        more = ", ..." if len(matches) > _MAX_LISTED else ""
        ids = ", ".join(key["id"] for key in matches[:_MAX_LISTED])
        raise InvalidRequest(
            f"{len(matches)} keys start with '{prefix}': {ids}{more}. Use more digits of the id."
        )
    (key,) = matches
    if question is not None and not yes:
        confirm(f"{describe(await context.keys.show(key['id']) or key)}. {question}", yes=False)
    return str(key["id"])


def confirm(question: str, *, yes: bool) -> None:
    """Returns if the user agrees. Raises click.Abort for a "no", UsageError without a terminal."""
    if yes:
        return
    if not is_interactive():
        raise click.UsageError(f"{question} There is no terminal to ask on. Add --yes to confirm.")
    click.confirm(question, abort=True, err=True)


def is_interactive() -> bool:
    """Whether stdin is a terminal."""
    return sys.stdin.isatty()


def describe(key: dict[str, Any]) -> str:
    """A key's id, label, owner and state, for people."""
    notes = [f"{name} {key[name]!r}" for name in ("label", "owner") if key.get(name)]
    if key.get("revoked_at"):
        notes.append("revoked")
    return f"{key['id']} ({', '.join(notes)})" if notes else str(key["id"])
