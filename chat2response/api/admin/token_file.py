"""The admin token that the gateway makes for itself, in a file that only we may read."""

import secrets
from pathlib import Path

from chat2response.state import secret_file
from chat2response.state.secret_file import SecretFile

NAME = "admin.token"

LEAST = 16
"""Characters a token has at least: what is shorter was cut off, or written in haste and can be guessed."""
_MOST = 1024
_INSTEAD = "or set CHAT2RESPONSE_ADMIN_TOKEN, and the file is not needed"


class AdminTokenError(Exception):
    """There is no usable token; the text tells the operator what to do."""


def read_or_make(folder: Path) -> SecretFile:
    """The token of `folder`, made where there is none yet. Raises AdminTokenError.

    `created`: by this very call, so the caller is the one to show it.
    """
    path = (folder / NAME).absolute()
    try:
        held = secret_file.read_or_create(path, lambda: f"admin_{secrets.token_hex(32)}")
    except OSError as error:
        raise AdminTokenError(
            f"The admin token's file {path} cannot be used ({error.strerror or error}): "
            "name a folder where files can be made in CHAT2RESPONSE_STATE_DIR (where it is not set, it is "
            f"that of CHAT2RESPONSE_SQLITE_PATH), {_INSTEAD}."
        ) from None
    token = held.value
    if not LEAST <= len(token) <= _MOST or not token.isascii() or not token.isprintable() or " " in token:
        raise AdminTokenError(
            f"The file {path} holds no admin token: delete it and start again to have one made, {_INSTEAD}."
        )
    return held
