"""`chat2response settings` and `check-config`: what can be set, and whether what is set can be used."""

from pathlib import Path

import click

from chat2response.cli import options
from chat2response.cli.choices import Choices
from chat2response.cli.explained import explained


@click.command("settings")
@click.option("--schema", is_flag=True, help="As a JSON Schema.")
def settings_command(schema: bool) -> None:
    """Show every setting, its default and what it does, as a table."""
    from chat2response.settings import described
    from chat2response.wire.json import encode

    lines = [encode(described.schema()).decode()] if schema else described.table()
    click.echo("\n".join(lines))


@click.command("check-config")
@options.env_file
@options.keys_backend
def check_config(env_file: Path | None, keys_backend: str | None) -> None:
    """Check the settings without starting anything, and show those in effect, without their secrets.

    The lines are those of a .env file, with defaults commented out. Exit code 2: they cannot be used.
    """
    with explained():
        from chat2response.cli.prepare import read_settings
        from chat2response.settings import SettingsError
        from chat2response.settings.described import effective
        from chat2response.stores import open_store, shown_address

        settings = read_settings(Choices(env_file=env_file, keys_backend=keys_backend))
        settings.prices()
        settings.peppers()
        url = keys_backend or settings.store_url
        try:
            open_store(url)
        except ValueError as error:
            said_by = "--keys-backend" if keys_backend else settings.store_setting
            raise SettingsError(f"{said_by}: {error}.") from None
        click.echo("\n".join(effective(settings)))
        click.echo(f"# These settings can be used. Keys are kept in {shown_address(url)}.")
