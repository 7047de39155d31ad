"""Reads the settings for a command, and prints warnings about likely mistakes on stderr."""

from pathlib import Path

import click

from chat2response.settings import Settings, load
from chat2response.settings.warnings import doubts


def read(env_file: Path | None) -> Settings:
    """The settings of this process. Raises SettingsError."""
    settings = load(env_file=env_file)
    for doubt in doubts(settings, env_file):
        click.echo(f"chat2response: WARNING: {doubt}", err=True)
    return settings
