"""`keys revoke`, `set-expiration`, `rotate`, `update`, `purge`."""

from typing import Any

import click

from chat2response.cli.keys.asked import end_of, fields_of
from chat2response.cli.keys.desk import Desk, unknown
from chat2response.cli.keys.tables import card, moment
from chat2response.keys import UNSET
from chat2response.keys.views import issued_document


async def revoke(desk: Desk, *, id: str) -> None:
    """That it was revoked before is no failure: it is what was asked for."""
    revoked = await desk.book.revoke(id, by=desk.actor)
    if not revoked and await desk.book.get(id) is None:
        raise unknown(id)
    desk.tell({"revoked": revoked, "id": id}, lambda: f"{id} {'is' if revoked else 'was already'} revoked")


async def set_expiration(desk: Desk, *, id: str, **asked: Any) -> None:
    """Unlike the endpoint, the shell wants the new end to be named: it does not take silence for never."""
    end = end_of(asked)
    if end["expires_at"] is UNSET and end.get("ttl_seconds") is None:
        raise click.UsageError("Say when it ends: --ttl, --expires-at or --never.")
    key = await desk.book.set_expiration(id, **end, by=desk.actor)
    if key is None:
        raise unknown(id)
    ends = "never ends" if key.expires_at is None else f"ends {moment(key.expires_at)}"
    desk.tell({"updated": True, "id": id, "expires_at": key.expires_at}, lambda: f"{id} {ends}")


async def rotate(desk: Desk, *, id: str, grace: int, force: bool) -> None:
    """The old secret's last moment is told."""
    issued = await desk.book.rotate(id, grace_seconds=grace, force=force, by=desk.actor)
    if issued is None:
        raise unknown(id)
    document = issued_document(issued)
    desk.tell(document, lambda: card(document))


async def update(desk: Desk, *, id: str, clear: tuple[str, ...], **asked: Any) -> None:
    """At least one field is needed. Limits and metadata are added to those that the key has."""
    fields = fields_of(asked)
    if both := sorted(set(fields) & set(clear)):
        raise click.UsageError(f"--clear {both[0]} stands against a new value for it.")
    if fields.keys() & {"limits", "metadata"} and (held := await desk.book.get(id)) is not None:
        kept = held.details(desk.book.now())
        for name in fields.keys() & {"limits", "metadata"}:
            fields[name] = {**(kept.get(name) or {}), **fields[name]}
    fields |= dict.fromkeys(clear)
    if not fields:
        raise click.UsageError("Nothing to change: give a field, or --clear one.")
    key = await desk.book.update(id, **fields, by=desk.actor)
    if key is None:
        raise unknown(id)
    document = key.details(desk.book.now())
    desk.tell(document, lambda: card(document))


async def purge(desk: Desk, *, older_than: int, yes: bool) -> None:
    """Step by step, so that a long purge shows that it goes on."""
    if not yes:
        dead = await desk.book.dead(older_than)
        if dead == 0:
            desk.tell({"purged": 0}, lambda: "there is no key to purge")
            return
        many = f"{dead} {'key is' if dead == 1 else 'keys are'}"
        click.confirm(f"{many} purged, and gone from lists for good. Go on?", abort=True, err=True)
    total, more = 0, True
    while more:
        purged, more = await desk.book.purge(older_than, limit=1000, by=desk.actor)
        total += purged
        if more:
            click.echo(f"{total} so far", err=True)
    desk.tell({"purged": total}, lambda: f"{total} {'key is' if total == 1 else 'keys are'} gone")
