"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path

import click


class WholeNumber(click.IntRange):
    """A whole number within bounds. The name appears in error messages."""

    name = "whole number"


env_file = click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read settings from this file instead of ./.env. Environment variables override it.",
)
keys_backend = click.option(
    "--keys-backend",
    metavar="memory|sqlite:PATH|redis://...",
    help="Where to store keys; overrides CHAT2RESPONSE_REDIS_URL and CHAT2RESPONSE_SQLITE_PATH. "
    "Also accepts rediss:// (TLS) and unix:// (socket).",
)
bind = click.option("--bind", metavar="HOST:PORT", help="The address to listen on; overrides BIND_ADDR.")
host = click.option(
    "--host", metavar="HOST", help="The host to listen on. 127.0.0.1 accepts only this machine."
)
port = click.option("--port", type=WholeNumber(0, 65535), metavar="PORT", help="The port to listen on.")
workers = click.option(
    "--workers",
    type=WholeNumber(1, 256),
    metavar="N",
    help="Worker processes that share a SQLite file or a Redis; overrides CHAT2RESPONSE_WORKERS (1).",
)


def serving(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that every serving command has."""
    for option in (env_file, keys_backend, port, host, bind):
        command = option(command)
    return command
