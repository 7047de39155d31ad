"""Options that several commands share."""

from pathlib import Path

import click

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
