"""The commands of `chat2response keys` and their options. Their modules load when a command runs."""

from typing import Any

import click

from chat2response.cli.keys.param_types import Duration, LimitOption, Pair, Timestamp
from chat2response.cli.keys.runner import Command, common, run, with_options
from chat2response.cli.option_anywhere import OptionAnywhereGroup

_ALIASES = {
    **dict.fromkeys(("create", "new", "add"), "generate"),
    **dict.fromkeys(("delete", "rm"), "revoke"),
    "ls": "list",
}


@click.group(cls=OptionAnywhereGroup, aliases=_ALIASES)
def keys() -> None:
    """Issue, list, change and revoke keys, directly in the store.

    No gateway has to run. Running gateways see each change within a second. The commands use the gateway's
    settings. If those name no existing store, the commands call the gateway that runs on this machine.

    An ID may also be the key's token, or a prefix of the id that no other key has.
    """


def _expiration_options(command: Command) -> Command:
    """The options that set when a key expires."""
    return with_options(
        command,
        click.option(
            "--ttl",
            "--ttl-seconds",
            "ttl_seconds",
            type=Duration(),
            help="Time until the key expires: 90 (seconds), 15m, 12h, 30d.",
        ),
        click.option(
            "--expires-at",
            type=Timestamp(),
            help="When the key expires: epoch seconds or 2027-01-31. Overrides --ttl.",
        ),
        click.option("--never", is_flag=True, help="The key never expires, if the settings allow that."),
    )


def _field_options(command: Command) -> Command:
    """The options that set fields of a key."""
    return with_options(
        command,
        click.option("--label", help="A name for the key."),
        click.option("--owner", help="Who the key belongs to."),
        click.option(
            "--scope", "scopes", multiple=True, help="A grant such as model:gpt-*, or a label. Repeatable."
        ),
        click.option("--limit", "limits", cls=LimitOption, type=Pair(), multiple=True),
        click.option("--metadata", type=Pair(), multiple=True, help="For example team=search. Repeatable."),
    )


_quiet = click.option("-q", "--quiet", is_flag=True, help="Print only the token, for scripts.")
_yes = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


@keys.command()
@_field_options
@_expiration_options
@_quiet
@common
def generate(**params: Any) -> None:
    """Issue a key. Its token is shown only once."""
    run("actions.generate", **params)


@keys.command("list")
@click.option("--state", type=click.Choice(["active", "revoked", "expired"]), help="Only keys in this state.")
@click.option("--owner", help="Only keys of this owner.")
@click.option("--label", help="Only keys whose label contains this text.")
@click.option("--expiring-within", type=Duration(), help="Only active keys that expire within this time.")
@click.option("--limit", type=click.IntRange(1, 500), help="Show one page with at most this many keys.")
@click.option("--cursor", help="Show the page after this position, which the previous page printed.")
@common
def list_(**params: Any) -> None:
    """List all keys, oldest first, or those that match the options."""
    run("actions.list_keys", **params)


@keys.command()
@click.argument("id")
@common
def show(**params: Any) -> None:
    """Show the details of a key, without its secret."""
    run("actions.show", **params)


@keys.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--owner", help="Revoke all keys of this owner.")
@click.option("--label", help="Revoke all keys with exactly this label.")
@_yes
@common
def revoke(**params: Any) -> None:
    """Revoke keys for good: by id, token or prefix of an id, or all keys with an owner or a label.

    Asks for confirmation, except for complete ids and tokens. No part of a token is printed or logged, but
    your shell's history may record it.
    """
    run("revoke.revoke", **params)


@keys.command("set-expiration")
@click.argument("id")
@_expiration_options
@_yes
@common
def set_expiration(**params: Any) -> None:
    """Change when a key expires. A time in the past ends it at once."""
    run("actions.set_expiration", **params)


@keys.command()
@click.argument("id")
@click.option(
    "--grace",
    type=Duration(),
    default="0",
    help="How long the old secret stays valid; by default it ends at once.",
)
@click.option(
    "--force", is_flag=True, help="Rotate even during the grace of the last rotation, and end that."
)
@_quiet
@_yes
@common
def rotate(**params: Any) -> None:
    """Give a key a new secret. The new token is shown only once."""
    run("actions.rotate", **params)


@keys.command()
@click.argument("id")
@_field_options
@click.option(
    "--clear",
    type=click.Choice(["label", "owner", "metadata", "scopes", "limits"]),
    multiple=True,
    help="Remove the value of this field. Repeatable.",
)
@_yes
@common
def update(**params: Any) -> None:
    """Change fields of a key. Limits and metadata are merged with the existing ones; scopes are replaced."""
    run("actions.update", **params)


@keys.command()
@click.option(
    "--older-than", type=Duration(), required=True, help="How long ago they ended: at least an hour."
)
@_yes
@common
def purge(**params: Any) -> None:
    """Remove the records of keys that were revoked or expired long ago."""
    run("actions.purge", **params)


@keys.command()
@common
def digest(**params: Any) -> None:
    """Generate a token, and the digest to import for it. Does not touch the store."""
    run("actions.digest", **params)


@keys.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@common
def import_(**params: Any) -> None:
    """Store keys by the digest of their secret, from FILE (- is stdin): JSON lines, or CSV with a header.

    A row has `id` and `digest`, as `keys digest` prints them, and may have the fields of `keys bulk`. A key
    that exists with the same digest stays unchanged; the command reports the fields in which FILE differs.
    """
    run("bulk.import_digests", **params)


@keys.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    required=True,
    help="A new file for the tokens that only you can read: CSV if its name ends in .csv, else JSON lines.",
)
@common
def bulk(**params: Any) -> None:
    """Issue a key for each row of FILE (- is stdin): JSON lines, or CSV with a header.

    A row may have label, owner, ttl_seconds, expires_at, scopes, metadata and limits. In CSV, separate scopes
    by spaces; write metadata and limits as name=value, separated by spaces. All rows are checked before the
    first key is issued.
    """
    run("bulk.bulk", **params)
