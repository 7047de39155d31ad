"""`chat2response settings` lists all settings; `check-config` checks the current ones."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from chat2response.cli import options
from chat2response.cli.errors import report_errors
from chat2response.server.start_options import StartOptions

if TYPE_CHECKING:
    from chat2response.stores import Store


@click.command("settings")
@click.option("--schema", is_flag=True, help="Print a JSON Schema instead.")
def settings_command(schema: bool) -> None:
    """Print a table of all settings, their defaults and what they do."""
    from chat2response.settings import docs
    from chat2response.wire.json import encode

    lines = [encode(docs.schema()).decode()] if schema else docs.table()
    click.echo("\n".join(lines))


@click.command("check-config")
@options.serving
@options.workers
def check_config(**params: Any) -> None:
    """Check the settings and the options of `start`, and print the effective settings without secrets.

    No gateway starts. A Redis is only asked whether it may lose keys. The output is a .env file with defaults
    commented out. Exit codes are those of `start`: 2 for invalid settings; 3 for settings that do not work on
    this machine, or not together.
    """
    start_options = StartOptions(**params)
    with report_errors():
        from chat2response.compose.keys import peppers, prices
        from chat2response.compose.shown_settings import effective
        from chat2response.compose.upstreams import catalog
        from chat2response.server.bootstrap import check_workers, read_settings
        from chat2response.settings import SettingsError
        from chat2response.stores import open_store, shown_address

        settings = read_settings(start_options)
        prices(settings)
        peppers(settings)
        catalog(settings)
        url = start_options.keys_backend or settings.store_url
        try:
            store = open_store(url)
            check_workers(store, settings.chat2response_workers)
        except ValueError as error:
            source = "--keys-backend" if start_options.keys_backend else settings.store_setting
            raise SettingsError(f"{source}: {error}.") from None
        for warning in asyncio.run(_warnings(store)):
            click.echo(f"chat2response: {warning}.", err=True)
        click.echo("\n".join(effective(settings)))
        click.echo(f"# These settings are valid. Keys are stored in {shown_address(url)}.")


async def _warnings(store: "Store") -> list[str]:
    try:
        return await store.warnings()
    finally:
        await store.close()
