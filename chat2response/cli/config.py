"""`chat2response settings` and `check-config`: what can be set, and whether what is set can be used."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from chat2response.cli import options
from chat2response.cli.errors import explained
from chat2response.server.start_options import Choices

if TYPE_CHECKING:
    from chat2response.stores import Store


@click.command("settings")
@click.option("--schema", is_flag=True, help="As a JSON Schema.")
def settings_command(schema: bool) -> None:
    """Show every setting, its default and what it does, as a table."""
    from chat2response.settings import docs
    from chat2response.wire.json import encode

    lines = [encode(docs.schema()).decode()] if schema else docs.table()
    click.echo("\n".join(lines))


@click.command("check-config")
@options.serving
@options.workers
def check_config(**given: Any) -> None:
    """Check the settings, and a start's options, and show those in effect, without their secrets.

    Nothing is started; a Redis is asked whether it may forget keys. The lines are those of a .env file, with
    defaults commented out. Exit codes as those of a start: 2, they cannot be used; 3, not on this machine, or
    not together.
    """
    choices = Choices(**given)
    with explained():
        from chat2response.compose.keys import peppers, prices
        from chat2response.compose.shown_settings import effective
        from chat2response.compose.upstreams import catalog
        from chat2response.server.bootstrap import check_workers, read_settings
        from chat2response.settings import SettingsError
        from chat2response.stores import open_store, shown_address

        settings = read_settings(choices)
        prices(settings)
        peppers(settings)
        catalog(settings)
        url = choices.keys_backend or settings.store_url
        try:
            store = open_store(url)
            check_workers(store, settings.chat2response_workers)
        except ValueError as error:
            said_by = "--keys-backend" if choices.keys_backend else settings.store_setting
            raise SettingsError(f"{said_by}: {error}.") from None
        for warning in asyncio.run(_warnings(store)):
            click.echo(f"chat2response: {warning}.", err=True)
        click.echo("\n".join(effective(settings)))
        click.echo(f"# These settings can be used. Keys are kept in {shown_address(url)}.")


async def _warnings(store: "Store") -> list[str]:
    try:
        return await store.warnings()
    finally:
        await store.close()
