"""Peppers: secrets of the gateway that go into each hash and are kept outside the store.

The file has one pepper a line, `<version>:<hex of 32 bytes or more>`; empty lines and those after `#` are
skipped. New hashes are made with the first line. The others are only known, so that hashes made with them
verify, and are made anew with the first when their key is next used. A first line `none` means hashes without
a pepper: so all gateways can be taught a pepper before any of them uses it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

_LINE = re.compile(r"([a-z0-9][a-z0-9_-]{0,31}):((?:[0-9a-fA-F]{2}){32,128})")
_NONE = "none"


class PepperError(ValueError):
    """The file cannot be used; the text says why, and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class Peppers:
    """`current`: the version that new hashes are made with, None for none; `known`: all, by version."""

    current: str | None = None
    known: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)


def read_peppers(path: Path) -> Peppers:
    """The peppers of a file that only its owner and group may read. Raises PepperError."""
    try:
        if path.stat().st_mode & 0o007:
            raise PepperError(f"{path} can be read by everybody on this machine: chmod 600 it")
        lines = path.read_text("ascii").splitlines()
    except OSError as error:
        raise PepperError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PepperError(f"{path} is no text in ASCII") from None
    return _parse(path, lines)


def _parse(path: Path, lines: list[str]) -> Peppers:
    versions: list[str] = []
    known: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        found = _LINE.fullmatch(text)
        if text == _NONE and not versions:
            versions.append(_NONE)
        elif found is None or found[1] == _NONE:
            raise PepperError(
                f"line {number} of {path} is no pepper: write <version>:<64 hex digits or more>"
                " (openssl rand -hex 32), or `none` in the first line"
            )
        elif found[1] in known:
            raise PepperError(f"line {number} of {path} names the version {found[1]} again")
        else:
            versions.append(found[1])
            known[found[1]] = bytes.fromhex(found[2])
    if not known:
        raise PepperError(f"{path} holds no pepper: write <version>:<64 hex digits or more>")
    return Peppers(None if versions[0] == _NONE else versions[0], MappingProxyType(known))
