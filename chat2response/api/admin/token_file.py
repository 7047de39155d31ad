"""The admin token that the gateway generates, in a file that only its user may read."""

import secrets
from pathlib import Path

from chat2response.state import secret_file
from chat2response.state.secret_file import SecretFile

NAME = "admin.token"

MIN_LENGTH = 16
"""Characters; a shorter token is truncated or easy to guess."""
_MAX_LENGTH = 1024
_INSTEAD = "or set CHAT2RESPONSE_ADMIN_TOKEN instead"


class AdminTokenError(Exception):
    """There is no usable token; the message tells the operator what to do."""


def read_or_create(folder: Path) -> SecretFile:
    """Reads the token of `folder`, or creates it. Raises AdminTokenError.

    `created`: this call created the token, so the caller must show it.
    """
    path = (folder / NAME).absolute()
    try:
        file = secret_file.read_or_create(path, lambda: f"admin_{secrets.token_hex(32)}")
    except OSError as error:
        raise AdminTokenError(
            f"Cannot read or create the file {path} for the admin token ({error.strerror or error}). "
            "Set CHAT2RESPONSE_STATE_DIR to a writable folder (the default is the folder of "
            f"CHAT2RESPONSE_SQLITE_PATH), {_INSTEAD}."
        ) from None
    token = file.value
    if (
        not MIN_LENGTH <= len(token) <= _MAX_LENGTH
        or not token.isascii()
        or not token.isprintable()
        or " " in token
    ):
        raise AdminTokenError(
            f"The file {path} does not contain a valid admin token. Delete it and restart the gateway, which "
            f"then creates a new one, {_INSTEAD}."
        )
    return file
