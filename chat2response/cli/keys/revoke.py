"""`keys revoke`: keys by id, token or beginning of an id, or all of an owner or a label."""

from collections.abc import Sequence

import click

from chat2response.cli.keys.context import Desk, unknown
from chat2response.cli.keys.find_key import confirm, find, named
from chat2response.cli.keys.key_admin import Document
from chat2response.cli.keys.showing import every
from chat2response.errors import NotFound

_WORDS = {None: "is revoked", "already_revoked": "was already revoked", "unknown_key": "is not known"}


async def revoke(desk: Desk, *, ids: Sequence[str], owner: str | None, label: str | None, yes: bool) -> None:
    """Revokes the chosen keys and says what became of each.

    A key that was revoked before is no failure; an unknown key is one.
    """
    selects = owner is not None or label is not None
    if selects == bool(ids):
        raise click.UsageError("Say which keys: ids or tokens, or else --owner or --label.")
    if selects:
        chosen = await _selected(desk, owner, label, yes=yes)
    else:
        chosen = [await find(desk, each, "Revoke it?", yes=yes) for each in ids]
    answers = [await desk.keys.revoke(id) for id in dict.fromkeys(chosen)]
    if len(ids) == 1:
        (answer,) = answers
        if answer.get("reason") == "unknown_key":
            raise unknown(answer["id"])
        desk.tell(answer, lambda: _line(answer))
        return
    desk.tell(answers, lambda: "\n".join(map(_line, answers)))
    for answer in answers:
        if answer.get("reason") == "unknown_key":
            raise unknown(answer["id"])


async def _selected(desk: Desk, owner: str | None, label: str | None, *, yes: bool) -> list[str]:
    """The keys of this owner and this label that can be revoked, after a question. Raises NotFound."""
    found = [
        key
        for key in await every(desk, {"owner": owner, "label": label})
        if key["revoked_at"] is None and label in (None, key["label"])
    ]
    if not found:
        said = {"owner": owner, "label": label}
        what = " and ".join(f"the {name} {value!r}" for name, value in said.items() if value is not None)
        raise NotFound(f"There is no key with {what} that is not revoked yet.", code="unknown_key")
    lines = "\n".join(f"  {named(key)}" for key in found)
    confirm(f"{lines}\n{'It is' if len(found) == 1 else 'They are'} revoked for good. Go on?", yes=yes)
    return [key["id"] for key in found]


def _line(answer: Document) -> str:
    return f"{answer['id']} {_WORDS[answer.get('reason')]}"
