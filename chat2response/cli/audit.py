"""`chat2response audit`: the audit of keys, out of the store."""

from pathlib import Path
from typing import Any

import click

from chat2response.cli import options
from chat2response.cli.keys.runner import run, with_options
from chat2response.cli.option_anywhere import Anywhere


@click.group(cls=Anywhere)
def audit() -> None:
    """Tell who changed which key, and when."""


def _options(command: Any) -> Any:
    return with_options(command, options.keys_backend, options.env_file)


@audit.command()
@click.option("--cursor", help="Only what follows, as the export before has named it.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A new file, which only you may read, in place of the terminal.",
)
@_options
def export(**given: Any) -> None:
    """Print the audit as JSON lines, oldest first; at the end, on stderr, the cursor to go on with."""
    run("exporting.export", **given)
