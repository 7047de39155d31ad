"""A secret that the gateway makes for itself: made once, kept in a file that only we may read.

Several workers may start at the same moment and must end with the same secret. Each writes its own to a file
of its own and links it to the one name; the link that comes first counts, the others read what it holds.
"""

import errno
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_MOST = 16384  # characters; part of a secret would be another one


@dataclass(frozen=True, slots=True)
class SecretFile:
    """What the file holds, without white space around it. `created`: by this very call."""

    value: str = field(repr=False)
    path: Path
    created: bool


def read_or_make(path: Path, make: Callable[[], str]) -> SecretFile:
    """The secret at `path`, made (file 0600, new folder 0700) where there is none yet.

    Durable when this returns. Raises OSError. What an operator wrote there is for the caller to check.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    created = not path.exists() and _publish(path, make())
    _make_private(path)
    with path.open(encoding="latin-1") as file:
        held = file.read(_MOST + 1)
    if len(held) > _MOST:
        raise OSError(errno.EFBIG, "it is longer than any secret of ours")
    return SecretFile(held.strip(), path, created)


def _publish(path: Path, secret: str) -> bool:
    """Gives `path` this content, whole and on disk; False where somebody else was faster."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{secret}\n")
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


def _sync(folder: Path) -> None:
    """Makes the new name itself durable."""
    if os.name == "nt":  # which cannot open a folder, and writes names through
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
