"""`chat2response audit`: exports the audit log of keys from the store."""

from pathlib import Path
from typing import Any

import click

from chat2response.cli import options
from chat2response.cli.keys.runner import run, with_options
from chat2response.cli.option_anywhere import OptionAnywhereGroup


@click.group(cls=OptionAnywhereGroup)
def audit() -> None:
    """Show who changed which key, and when."""


def _options(command: Any) -> Any:
    return with_options(command, options.keys_backend, options.env_file)


@audit.command()
@click.option("--cursor", help="Continue after this position, which the previous export printed.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to a new file that only you can read, instead of the terminal.",
)
@_options
def export(**params: Any) -> None:
    """Print the audit log as JSON lines, oldest first.

    The last line, on stderr, shows the cursor to continue.
    """
    run("export.export", **params)
