"""The admin token that the gateway makes for itself: made once, kept in a file that only we may read.

Several workers may start at the same moment and must end with the same token. Each writes its own to a file
of its own and links it to the one name; the link that comes first counts, the others read what it holds.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

NAME = "admin.token"

_LEAST = 16  # characters; what is shorter was cut off or written by hand in haste
_MOST = 1024
_INSTEAD = "or set CHAT2RESPONSE_ADMIN_TOKEN, and the file is not needed"


class AdminTokenError(Exception):
    """There is no usable token; the text tells the operator what to do."""


@dataclass(frozen=True, slots=True)
class AdminToken:
    """A token and the file it is in. `created`: by this very call, so the caller is the one to show it."""

    value: str = field(repr=False)
    path: Path
    created: bool


def read_or_make(folder: Path) -> AdminToken:
    """The token of `folder`, made (file 0600, new folder 0700) where there is none yet.

    Durable when this returns. Raises AdminTokenError.
    """
    path = folder / NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        created = not path.exists() and _publish(path, f"admin_{secrets.token_hex(32)}")
        _make_private(path)
        return AdminToken(_read(path), path, created)
    except OSError as error:
        raise AdminTokenError(
            f"The admin token's file {path} cannot be used ({error.strerror or error}): "
            f"name a folder in CHAT2RESPONSE_STATE_DIR where files can be made, {_INSTEAD}."
        ) from None


def _publish(path: Path, token: str) -> bool:
    """Gives `path` this token, whole and on disk; False where somebody else was faster."""
    draft = path.with_name(f".{NAME}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _sync(path.parent)
    return True


def _make_private(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        with suppress(PermissionError):  # another user's file is that user's affair
            path.chmod(0o600)


def _read(path: Path) -> str:
    with path.open(encoding="latin-1") as file:
        token = file.read(_MOST + 1).strip()
    if not _LEAST <= len(token) <= _MOST or not token.isascii() or not token.isprintable() or " " in token:
        raise AdminTokenError(
            f"The file {path} holds no admin token: delete it and start again to have one made, {_INSTEAD}."
        )
    return token


def _sync(folder: Path) -> None:
    """Makes the new name itself durable."""
    if os.name == "nt":  # which cannot open a folder, and writes names through
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
