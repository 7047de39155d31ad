"""`keys set-expiration`, `rotate`, `update`, `purge`."""

from typing import Any

import click

from chat2response.cli.keys.arguments import end_of, fields_of
from chat2response.cli.keys.context import Desk, unknown
from chat2response.cli.keys.find_key import confirm, find
from chat2response.cli.keys.format import card, moment
from chat2response.keys import UNSET

_ASK = "Change it?"


async def set_expiration(desk: Desk, *, id: str, yes: bool, **asked: Any) -> None:
    """Unlike the endpoint, the shell wants the new end to be named: it does not take silence for never."""
    end = end_of(asked)
    if end["expires_at"] is UNSET and end["ttl_seconds"] is None:
        raise click.UsageError("Say when it ends: --ttl, --expires-at or --never.")
    id = await find(desk, id, _ASK, yes=yes)
    document = await desk.keys.set_expiration(id, **end)
    if document is None:
        raise unknown(id)
    at = document["expires_at"]
    desk.tell(document, lambda: f"{id} {'never ends' if at is None else f'ends {moment(at)}'}")


async def rotate(desk: Desk, *, id: str, grace: int, force: bool, yes: bool, quiet: bool) -> None:
    """The old secret's last moment is told."""
    id = await find(desk, id, _ASK, yes=yes)
    document = await desk.keys.rotate(id, grace_seconds=grace, force=force)
    if document is None:
        raise unknown(id)
    desk.tell(document, lambda: document["token"] if quiet else card(document))


async def update(desk: Desk, *, id: str, clear: tuple[str, ...], yes: bool, **asked: Any) -> None:
    """At least one field is needed. Limits and metadata are added to those that the key has."""
    fields = fields_of(asked)
    if both := sorted(set(fields) & set(clear)):
        raise click.UsageError(f"--clear {both[0]} stands against a new value for it.")
    if not fields and not clear:
        raise click.UsageError("Nothing to change: give a field, or --clear one.")
    id = await find(desk, id, _ASK, yes=yes)
    if fields.keys() & {"limits", "metadata"} and (kept := await desk.keys.show(id)) is not None:
        for name in fields.keys() & {"limits", "metadata"}:
            fields[name] = {**(kept.get(name) or {}), **fields[name]}
    document = await desk.keys.update(id, **fields, **dict.fromkeys(clear))
    if document is None:
        raise unknown(id)
    desk.tell(document, lambda: card(document))


async def purge(desk: Desk, *, older_than: int, yes: bool) -> None:
    """Step by step, so that a long purge shows that it goes on."""
    if not yes:
        dead = await desk.keys.dead(older_than)
        if dead == 0:
            desk.tell({"purged": 0}, lambda: "there is no key to purge")
            return
        many = "Dead keys are" if dead is None else f"{dead} {'key is' if dead == 1 else 'keys are'}"
        confirm(f"{many} purged, and gone from lists for good. Go on?", yes=False)
    total, more = 0, True
    while more:
        purged, more = await desk.keys.purge(older_than, limit=1000)
        total += purged
        if more:
            click.echo(f"{total} so far", err=True)
    desk.tell({"purged": total}, lambda: f"{total} {'key is' if total == 1 else 'keys are'} gone")
