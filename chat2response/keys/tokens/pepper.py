"""Peppers: secrets of the gateway that are part of each hash and are stored outside the store.

The file has one pepper per line, `<version>:<hex of 32 bytes or more>`; empty lines and comments (`#`) are
skipped. New hashes use the first line's pepper. The others only verify older hashes, which are replaced when
their key is next used. A first line `none` means new hashes without a pepper, so that all gateways can learn
a pepper before any of them uses it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

_LINE = re.compile(r"([a-z0-9][a-z0-9_-]{0,31}):((?:[0-9a-fA-F]{2}){32,128})")
_NONE = "none"


class PepperError(ValueError):
    """The file cannot be used; the message says why, and shows none of its content."""


@dataclass(frozen=True, slots=True)
class Peppers:
    """`current`: the version in new hashes, None for none; `known`: all peppers by version."""

    current: str | None = None
    known: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)


def read_peppers(path: Path) -> Peppers:
    """Read a file that only its owner and group may access. Raises PepperError."""
    try:
        if path.stat().st_mode & 0o007:
            raise PepperError(f"every user of this machine can access {path}. Run: chmod 600 {path}")
        lines = path.read_text("ascii").splitlines()
    except OSError as error:
        raise PepperError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PepperError(f"{path} is not an ASCII text file") from None
    return _parse(path, lines)


def _parse(path: Path, lines: list[str]) -> Peppers:
    versions: list[str] = []
    known: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if text == _NONE and not versions:
            versions.append(_NONE)
        elif match is None or match[1] == _NONE:
            raise PepperError(
                f"line {number} of {path} is not a pepper: write <version>:<64 hex digits or more>"
                " (from openssl rand -hex 32), or `none` in the first line"
            )
        elif match[1] in known:
            raise PepperError(f"line {number} of {path} repeats the version {match[1]}")
        else:
            versions.append(match[1])
            known[match[1]] = bytes.fromhex(match[2])
    if not known:
        raise PepperError(f"{path} contains no pepper: write <version>:<64 hex digits or more>")
    return Peppers(None if versions[0] == _NONE else versions[0], MappingProxyType(known))
