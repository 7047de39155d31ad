"""What the options of a command ask for, as the book of keys takes it."""

from collections.abc import Iterable, Mapping
from typing import Any

import click

from chat2response.keys import UNSET

_DIGITS = 20  # Python reads no number of thousands of them, and no limit has so many


def end_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """When the key ends. Raises click.UsageError where that is said in two ways that exclude each other."""
    moment, span = asked["expires_at"], asked["ttl_seconds"]
    if asked["never"]:
        if moment is not None or span is not None:
            raise click.UsageError("--never stands against --ttl and --expires-at.")
        return {"ttl_seconds": None, "expires_at": None}
    return {"ttl_seconds": span, "expires_at": UNSET if moment is None else moment}


def fields_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields of a key that were given."""
    given = {
        "label": asked["label"],
        "owner": asked["owner"],
        "scopes": list(asked["scopes"]) or None,
        "limits": limits_of(asked["limits"]) or None,
        "metadata": dict(asked["metadata"]) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def limits_of(pairs: Iterable[tuple[str, str]]) -> dict[str, int | str]:
    """Numbers as numbers; the book refuses the rest by name."""
    return {name: number(text) for name, text in pairs}


def number(text: str) -> int | str:
    """A whole number as such, all else as it is."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else text
