"""The commands of `chat2response keys` and their options. The work is loaded when one runs."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from chat2response.cli import options
from chat2response.cli.anywhere import Anywhere
from chat2response.cli.choices import Choices
from chat2response.cli.explained import explained
from chat2response.cli.keys.words import Moment, Pair, Span

Command = Callable[..., None]

_MAKING = ("making", "bulk")  # the modules whose commands may be the first to use a store


@click.group(cls=Anywhere)
def keys() -> None:
    """Issue, list, change and end keys, in the store itself.

    No gateway need run; those that do see each change within a second. Settings are the gateway's own.
    """


def _all(command: Command, *given: Callable[[Command], Command]) -> Command:
    """The command with these options, in this order of its help."""
    for option in reversed(given):
        command = option(command)
    return command


def _common(command: Command) -> Command:
    """What each of them can be told."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, as the HTTP endpoint would.")
    return _all(command, as_json, options.keys_backend, options.env_file)


def _end(command: Command) -> Command:
    """The three ways to say when a key ends."""
    return _all(
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
    return _all(
        command,
        click.option("--label", help="A name for people."),
        click.option("--owner", help="Whose it is."),
        click.option(
            "--scope", "scopes", multiple=True, help="A grant, as model:gpt-*, or a label. Repeatable."
        ),
        click.option(
            "--limit", "limits", type=Pair(), multiple=True, help="As requests_per_minute=60. Repeatable."
        ),
        click.option("--metadata", type=Pair(), multiple=True, help="As team=search. Repeatable."),
    )


def _run(work: str, env_file: Any, keys_backend: str | None, as_json: bool, **asked: Any) -> None:
    """Does `<module>.<function>` of this package."""
    with explained():
        from chat2response.cli.keys.desk import run

        module, _, name = work.partition(".")
        choices = Choices(keys_backend=keys_backend, env_file=env_file)
        does = getattr(import_module(f"chat2response.cli.keys.{module}"), name)
        run(does, choices, asked, as_json=as_json, makes=module in _MAKING)


@keys.command()
@_fields
@_end
@_common
def generate(**given: Any) -> None:
    """Issue a key. Its token is shown this once."""
    _run("making.generate", **given)


@keys.command("list")
@click.option("--state", type=click.Choice(["active", "revoked", "expired"]), help="Only those.")
@click.option("--owner", help="Only keys of this owner.")
@click.option("--label", help="Only keys with this in their label.")
@click.option("--expiring-within", type=Span(), help="Only active keys that end so soon.")
@click.option("--limit", type=click.IntRange(1, 500), help="One page of so many.")
@click.option("--cursor", help="The next page, as the one before has named it.")
@_common
def list_(**given: Any) -> None:
    """Show keys: all, oldest first, or those asked for."""
    _run("showing.list_keys", **given)


@keys.command()
@click.argument("id")
@_common
def show(**given: Any) -> None:
    """Show all that is known of a key, but its secret."""
    _run("showing.show", **given)


@keys.command()
@click.argument("id")
@_common
def revoke(**given: Any) -> None:
    """End a key for good."""
    _run("changing.revoke", **given)


@keys.command("set-expiration")
@click.argument("id")
@_end
@_common
def set_expiration(**given: Any) -> None:
    """Move the end of a key; a moment in the past ends it at once."""
    _run("changing.set_expiration", **given)


@keys.command()
@click.argument("id")
@click.option(
    "--grace", type=Span(), default="0", help="How long the old secret opens too; by default not at all."
)
@_common
def rotate(**given: Any) -> None:
    """Give a key another secret. Its new token is shown this once."""
    _run("changing.rotate", **given)


@keys.command()
@click.argument("id")
@_fields
@click.option(
    "--clear",
    type=click.Choice(["label", "owner", "metadata", "scopes", "limits"]),
    multiple=True,
    help="Take this away. Repeatable.",
)
@_common
def update(**given: Any) -> None:
    """Change what is said of a key. What is given replaces all of its kind; the rest stays."""
    _run("changing.update", **given)


@keys.command()
@click.option(
    "--older-than", type=Span(), required=True, help="How long they must be dead: an hour at least."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_common
def purge(**given: Any) -> None:
    """Remove the records of keys that were revoked or expired long ago."""
    _run("changing.purge", **given)


@keys.command()
@_common
def digest(**given: Any) -> None:
    """Make a token, and the line to import for it. The store is not touched."""
    _run("making.digest", **given)


@keys.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@_common
def import_(**given: Any) -> None:
    """Store keys by the digest of their secret, from FILE (- is stdin): JSON lines, or CSV with a head.

    A row has `id` and `digest` (as `keys digest` prints them), and may have what `keys bulk` takes. A key
    that is there already, with the same digest, is left as it is.
    """
    _run("bulk.import_digests", **given)


@keys.command()
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    required=True,
    help="A new file for the tokens, which only you may read: CSV if it is named so, else JSON lines.",
)
@_common
def bulk(**given: Any) -> None:
    """Issue a key for each row of FILE (- is stdin): JSON lines, or CSV with a head.

    A row may have label, owner, ttl_seconds, expires_at, scopes, metadata, limits; in CSV, scopes are
    separated by spaces, and so are metadata and limits, as name=value. All rows are checked before the first
    key is made.
    """
    _run("bulk.bulk", **given)
