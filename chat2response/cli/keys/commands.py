"""The commands of `chat2response keys` and their options. The work is loaded when one runs."""

from typing import Any

import click

from chat2response.cli.keys.param_types import LimitOption, Moment, Pair, Span
from chat2response.cli.keys.runner import Command, common, run, with_options
from chat2response.cli.option_anywhere import Anywhere

_ALIASES = {
    **dict.fromkeys(("create", "new", "add"), "generate"),
    **dict.fromkeys(("delete", "rm"), "revoke"),
    "ls": "list",
}


@click.group(cls=Anywhere, aliases=_ALIASES)
def keys() -> None:
    """Issue, list, change and end keys, in the store itself.

    No gateway need run; those that do see each change within a second. Settings are the gateway's own. Where
    they name no store that is there, the gateway that runs on this machine is asked.

    For a key's ID its token will do, and the beginning of its id where no other key has it.
    """


def _end(command: Command) -> Command:
    """The three ways to say when a key ends."""
    return with_options(
        command,
        click.option(
            "--ttl",
            "--ttl-seconds",
            "ttl_seconds",
            type=Span(),
            help="How long it lives from now: 90, 15m, 12h, 30d.",
        ),
        click.option(
            "--expires-at",
            type=Moment(),
            help="When it ends, in epoch seconds or as 2027-01-31; wins over --ttl.",
        ),
        click.option("--never", is_flag=True, help="It never ends by itself, where the settings allow that."),
    )


def _fields(command: Command) -> Command:
    """What is said of a key."""
    return with_options(
        command,
        click.option("--label", help="A name for people."),
        click.option("--owner", help="Whose it is."),
        click.option(
            "--scope", "scopes", multiple=True, help="A grant, as model:gpt-*, or a label. Repeatable."
        ),
        click.option("--limit", "limits", cls=LimitOption, type=Pair(), multiple=True),
        click.option("--metadata", type=Pair(), multiple=True, help="As team=search. Repeatable."),
    )


_quiet = click.option("-q", "--quiet", is_flag=True, help="Print the token alone, for a script.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@keys.command()
@_fields
@_end
@_quiet
@common
def generate(**given: Any) -> None:
    """Issue a key. Its token is shown this once."""
    run("making.generate", **given)


@keys.command("list")
@click.option("--state", type=click.Choice(["active", "revoked", "expired"]), help="Only those.")
@click.option("--owner", help="Only keys of this owner.")
@click.option("--label", help="Only keys with this in their label.")
@click.option("--expiring-within", type=Span(), help="Only active keys that end so soon.")
@click.option("--limit", type=click.IntRange(1, 500), help="One page of so many.")
@click.option("--cursor", help="The next page, as the one before has named it.")
@common
def list_(**given: Any) -> None:
    """Show keys: all, oldest first, or those asked for."""
    run("showing.list_keys", **given)


@keys.command()
@click.argument("id")
@common
def show(**given: Any) -> None:
    """Show all that is known of a key, but its secret."""
    run("showing.show", **given)


@keys.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--owner", help="All keys of this owner.")
@click.option("--label", help="All keys with this label, the whole of it.")
@_yes
@common
def revoke(**given: Any) -> None:
    """End keys for good: those named by id, token or the beginning of an id, or those of an owner or a label.

    It asks first, unless ids or tokens are given whole. Of a token the id is used, and no part of it is
    printed or logged; the shell's own history may keep it.
    """
    run("revoking.revoke", **given)


@keys.command("set-expiration")
@click.argument("id")
@_end
@_yes
@common
def set_expiration(**given: Any) -> None:
    """Move the end of a key; a moment in the past ends it at once."""
    run("changing.set_expiration", **given)


@keys.command()
@click.argument("id")
@click.option(
    "--grace", type=Span(), default="0", help="How long the old secret opens too; by default not at all."
)
@click.option("--force", is_flag=True, help="Also while the grace of the last rotation runs: that ends now.")
@_quiet
@_yes
@common
def rotate(**given: Any) -> None:
    """Give a key another secret. Its new token is shown this once."""
    run("changing.rotate", **given)


@keys.command()
@click.argument("id")
@_fields
@click.option(
    "--clear",
    type=click.Choice(["label", "owner", "metadata", "scopes", "limits"]),
    multiple=True,
    help="Take this away. Repeatable.",
)
@_yes
@common
def update(**given: Any) -> None:
    """Change what is said of a key. Limits and metadata are added to those it has; scopes are replaced."""
    run("changing.update", **given)


@keys.command()
@click.option(
    "--older-than", type=Span(), required=True, help="How long they must be dead: an hour at least."
)
@_yes
@common
def purge(**given: Any) -> None:
    """Remove the records of keys that were revoked or expired long ago."""
    run("changing.purge", **given)


@keys.command()
@common
def digest(**given: Any) -> None:
    """Make a token, and the line to import for it. The store is not touched."""
    run("making.digest", **given)


@keys.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@common
def import_(**given: Any) -> None:
    """Store keys by the digest of their secret, from FILE (- is stdin): JSON lines, or CSV with a head.

    A row has `id` and `digest` (as `keys digest` prints them), and may have what `keys bulk` takes. A key
    that is there already, with the same digest, is left as it is, and what FILE says otherwise is told.
    """
    run("bulk.import_digests", **given)


@keys.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    required=True,
    help="A new file for the tokens, which only you may read: CSV if it is named so, else JSON lines.",
)
@common
def bulk(**given: Any) -> None:
    """Issue a key for each row of FILE (- is stdin): JSON lines, or CSV with a head.

    A row may have label, owner, ttl_seconds, expires_at, scopes, metadata, limits; in CSV, scopes are
    separated by spaces, and so are metadata and limits, as name=value. All rows are checked before the first
    key is made.
    """
    run("bulk.bulk", **given)
