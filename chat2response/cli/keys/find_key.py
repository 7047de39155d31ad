"""Which key is meant by an id, a token, or the beginning of an id; and questions before a change."""

import sys
from typing import Any

import click

from chat2response.cli.keys.context import Desk, unknown
from chat2response.errors import InvalidRequest, NotFound
from chat2response.keys.tokens.token import id_in, is_key_id

_DIGITS = 32  # of an id
_SHOWN = 5  # keys that one line names


async def find(desk: Desk, text: str, ask: str | None, *, yes: bool = False) -> str:
    """The id of the key that `text` names: its id, its token, or a beginning that no other id has.

    After a beginning the key is named, and asked about: `ask` ("Revoke it?"); None: no question.
    Raises NotFound, InvalidRequest, UsageError; none of them repeats a token.
    """
    id = id_in(text)
    if is_key_id(id):
        return id
    if len(id) > _DIGITS:  # it may be a secret: nothing of it is repeated
        raise NotFound(
            f"There is no such key: an id has {_DIGITS} hex digits, and this has {len(id)} characters.",
            code="unknown_key",
            param="id",
        )
    beginning = id.lower()
    if not beginning or not set(beginning) <= set("0123456789abcdef"):
        raise unknown(id)
    found = [key for key in await desk.keys.every() if key["id"].startswith(beginning)]
    if not found:
        raise unknown(id)
    if len(found) > 1:
        more = ", ..." if len(found) > _SHOWN else ""
        ids = ", ".join(key["id"] for key in found[:_SHOWN])
        raise InvalidRequest(
            f"{len(found)} keys begin with '{beginning}': {ids}{more}. Write more of the id."
        )
    (key,) = found
    if ask is not None and not yes:
        confirm(f"{named(await desk.keys.show(key['id']) or key)}. {ask}", yes=False)
    return str(key["id"])


def confirm(question: str, *, yes: bool) -> None:
    """Goes on with a "yes". Raises click.Abort for a "no", UsageError where nobody can be asked."""
    if yes:
        return
    if not is_interactive():
        raise click.UsageError(f"{question} Nobody can be asked here: add --yes.")
    click.confirm(question, abort=True, err=True)


def is_interactive() -> bool:
    """Whether somebody sits at the terminal."""
    return sys.stdin.isatty()


def named(key: dict[str, Any]) -> str:
    """A key by its id and what people call it."""
    said = [f"{name} {key[name]!r}" for name in ("label", "owner") if key.get(name)]
    if key.get("revoked_at"):
        said.append("revoked")
    return f"{key['id']} ({', '.join(said)})" if said else str(key["id"])
