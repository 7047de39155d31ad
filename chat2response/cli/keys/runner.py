"""Runs a command: reads the shared options, then imports the command's module and calls its function."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from chat2response.cli import options
from chat2response.cli.errors import report_errors
from chat2response.server.gc_pause import gc_pause
from chat2response.server.start_options import StartOptions

if TYPE_CHECKING:
    from chat2response.cli.keys.context import Needs

Command = Callable[..., None]

_CREATES_STORE = ("actions.generate", "bulk.bulk", "bulk.import_digests")
_NEEDS: dict[str, "Needs"] = {
    "actions.digest": "nothing",
    **dict.fromkeys(("bulk.bulk", "bulk.import_digests", "export.export"), "store"),
}


def with_options(command: Command, *decorators: Callable[[Command], Command]) -> Command:
    """Adds options to a command; its help lists them in this order."""
    for option in reversed(decorators):
        command = option(command)
    return command


def common(command: Command) -> Command:
    """Adds the options that all `keys` commands share."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print the JSON of the HTTP endpoint.")
    return with_options(command, as_json, options.keys_backend, options.env_file)


def run(action: str, env_file: Any, keys_backend: str | None, as_json: bool = False, **params: Any) -> None:
    """Calls `action`, the `<module>.<function>` of this package, with the command's parameters."""
    quiet: bool = params.get("quiet", False)
    if quiet and as_json:
        raise click.UsageError("Use either --quiet or --json.")
    with report_errors():
        module, _, name = action.partition(".")
        with gc_pause():
            from chat2response.cli.keys import context

            function = getattr(import_module(f"chat2response.cli.keys.{module}"), name)
        start_options = StartOptions(keys_backend=keys_backend, env_file=env_file)
        creates, needs = action in _CREATES_STORE, _NEEDS.get(action, "keys")
        context.run(
            function, start_options, params, as_json=as_json, quiet=quiet, creates=creates, needs=needs
        )
