"""`keys revoke`: revokes keys by id, token or prefix of an id, or all keys with an owner or a label."""

from collections.abc import Sequence

import click

from chat2response.cli.keys.actions import list_matching
from chat2response.cli.keys.context import CommandContext, unknown_key
from chat2response.cli.keys.find_key import confirm, describe, find_id
from chat2response.cli.keys.key_admin import Document
from chat2response.errors import NotFound

_RESULTS = {None: "is revoked", "already_revoked": "was already revoked", "unknown_key": "does not exist"}


async def revoke(
    context: CommandContext, *, ids: Sequence[str], owner: str | None, label: str | None, yes: bool
) -> None:
    """Revokes the selected keys and prints the result for each.

    An unknown key is a failure; a key that was revoked before is not.
    """
    by_filter = owner is not None or label is not None
    if by_filter == bool(ids):
        raise click.UsageError("Name the keys by id or token, or select them with --owner or --label.")
    if by_filter:
        selected = await _select(context, owner, label, yes=yes)
    else:
        selected = [await find_id(context, each, "Revoke it?", yes=yes) for each in ids]
    answers = [await context.keys.revoke(id) for id in dict.fromkeys(selected)]
    if len(ids) == 1:
        (answer,) = answers
        if answer.get("reason") == "unknown_key":
            raise unknown_key(answer["id"])
        context.print(answer, lambda: _line(answer))
        return
    context.print(answers, lambda: "\n".join(map(_line, answers)))
    for answer in answers:
        if answer.get("reason") == "unknown_key":
            raise unknown_key(answer["id"])


async def _select(context: CommandContext, owner: str | None, label: str | None, *, yes: bool) -> list[str]:
    """The valid keys with this owner and label, after the user has confirmed. Raises NotFound."""
    matches = [
        key
        for key in await list_matching(context, {"owner": owner, "label": label})
        if key["revoked_at"] is None and label in (None, key["label"])
    ]
    if not matches:
        filters = {"owner": owner, "label": label}
        what = " and ".join(f"the {name} {value!r}" for name, value in filters.items() if value is not None)
        raise NotFound(f"There is no key with {what} left to revoke.", code="unknown_key")
    lines = "\n".join(f"  {describe(key)}" for key in matches)
    what = "this key" if len(matches) == 1 else f"these {len(matches)} keys"
    confirm(f"{lines}\nThis revokes {what} and cannot be undone. Continue?", yes=yes)
    return [key["id"] for key in matches]


def _line(answer: Document) -> str:
    return f"{answer['id']} {_RESULTS[answer.get('reason')]}"
