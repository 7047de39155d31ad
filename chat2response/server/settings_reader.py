"""Reads the settings for a command, and prints warnings about likely mistakes on stderr."""

from pathlib import Path

import click

from chat2response.compose import load
from chat2response.settings import Settings
from chat2response.settings.warnings import warnings


def read(env_file: Path | None) -> Settings:
    """The settings of this process. Raises SettingsError."""
    settings = load(env_file=env_file)
    for warning in warnings(settings, env_file):
        click.echo(f"chat2response: WARNING: {warning}", err=True)
    return settings
