"""From a command's options to its work, which is loaded only then."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from chat2response.cli import options
from chat2response.cli.errors import explained
from chat2response.server.gc_pause import loading
from chat2response.server.start_options import Choices

if TYPE_CHECKING:
    from chat2response.cli.keys.context import Uses

Command = Callable[..., None]

_MAKES = ("making.generate", "bulk.bulk", "bulk.import_digests")  # these may be the first to use a store
_USES: dict[str, "Uses"] = {
    "making.digest": "nothing",
    **dict.fromkeys(("bulk.bulk", "bulk.import_digests", "exporting.export"), "store"),
}


def with_options(command: Command, *given: Callable[[Command], Command]) -> Command:
    """The command with these options, in this order of its help."""
    for option in reversed(given):
        command = option(command)
    return command


def common(command: Command) -> Command:
    """What each of them can be told."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, as the HTTP endpoint would.")
    return with_options(command, as_json, options.keys_backend, options.env_file)


def run(work: str, env_file: Any, keys_backend: str | None, as_json: bool = False, **asked: Any) -> None:
    """Does `<module>.<function>` of this package."""
    quiet: bool = asked.get("quiet", False)
    if quiet and as_json:
        raise click.UsageError("--quiet stands against --json.")
    with explained():
        module, _, name = work.partition(".")
        with loading():
            from chat2response.cli.keys import context

            does = getattr(import_module(f"chat2response.cli.keys.{module}"), name)
        choices = Choices(keys_backend=keys_backend, env_file=env_file)
        makes, uses = work in _MAKES, _USES.get(work, "keys")
        context.run(does, choices, asked, as_json=as_json, quiet=quiet, makes=makes, uses=uses)
