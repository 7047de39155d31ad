"""A file with a secret that the gateway creates once, readable by its own user only.

Several workers may start at the same moment and must get the same secret. Each writes a secret to a temporary
file and links it to the final name; the first link wins, and the others read its file.
"""

import errno
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_MAX_SIZE = 16384  # characters; a truncated secret would be a different one


@dataclass(frozen=True, slots=True)
class SecretFile:
    """`value`: the content without surrounding white space. `created`: whether this call created the file."""

    value: str = field(repr=False)
    path: Path
    created: bool


def read_or_create(path: Path, create: Callable[[], str]) -> SecretFile:
    """The secret at `path`; if there is none, create it (file 0600, new folder 0700).

    The file is durable on return. Raises OSError. The caller validates a secret that an operator wrote.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    created = not path.exists() and _publish(path, create())
    _make_private(path)
    with path.open(encoding="latin-1") as file:
        content = file.read(_MAX_SIZE + 1)
    if len(content) > _MAX_SIZE:
        raise OSError(errno.EFBIG, f"it is longer than {_MAX_SIZE} characters")
    return SecretFile(content.strip(), path, created)


def _publish(path: Path, secret: str) -> bool:
    """Create `path` with this content, complete and on disk; False if another process was faster."""
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
        with suppress(PermissionError):  # the file belongs to another user
            path.chmod(0o600)


def _sync(folder: Path) -> None:
    """Make the new directory entry durable."""
    if os.name == "nt":  # Windows cannot open a folder, and writes directory entries through
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
