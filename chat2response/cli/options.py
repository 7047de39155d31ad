"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path

import click


class WholeNumber(click.IntRange):
    """A whole number within bounds; what is none is said in these words."""

    name = "whole number"


env_file = click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of settings, in place of ./.env; the environment wins over it.",
)
keys_backend = click.option(
    "--keys-backend",
    metavar="memory|sqlite:PATH|redis://...",
    help="Where keys are kept, in place of CHAT2RESPONSE_REDIS_URL and CHAT2RESPONSE_SQLITE_PATH. "
    "Also rediss:// (TLS) and unix:// (socket).",
)
bind = click.option("--bind", metavar="HOST:PORT", help="Where to listen, in place of BIND_ADDR.")
host = click.option("--host", metavar="HOST", help="The host alone: with 127.0.0.1, this machine only.")
port = click.option("--port", type=WholeNumber(0, 65535), metavar="PORT", help="The port alone.")
workers = click.option(
    "--workers",
    type=WholeNumber(1, 256),
    metavar="N",
    help="Processes that serve, in place of CHAT2RESPONSE_WORKERS (1). They share a SQLite file or a Redis.",
)


def serving(command: Callable[..., None]) -> Callable[..., None]:
    """What every command that serves can be told."""
    for option in (env_file, keys_backend, port, host, bind):
        command = option(command)
    return command
