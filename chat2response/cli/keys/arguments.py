"""Converts a command's options to the arguments of the key service."""

from collections.abc import Iterable, Mapping
from typing import Any

import click

from chat2response.keys import UNSET

_MAX_DIGITS = 20  # more than any limit has; int() rejects thousands of digits


def expiration_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """When the key expires. Raises click.UsageError for --never together with another option."""
    expires_at, ttl = params["expires_at"], params["ttl_seconds"]
    if params["never"]:
        if expires_at is not None or ttl is not None:
            raise click.UsageError("Use either --never, or --ttl or --expires-at.")
        return {"ttl_seconds": None, "expires_at": None}
    return {"ttl_seconds": ttl, "expires_at": UNSET if expires_at is None else expires_at}


def fields_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a key that the options set."""
    fields = {
        "label": params["label"],
        "owner": params["owner"],
        "scopes": list(params["scopes"]) or None,
        "limits": limits_of(params["limits"]) or None,
        "metadata": dict(params["metadata"]) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def limits_of(pairs: Iterable[tuple[str, str]]) -> dict[str, int | str]:
    """Limits by name; the key service rejects values that are no number."""
    return {name: number(text) for name, text in pairs}


def number(text: str) -> int | str:
    """The text as an int if it is a whole number, else unchanged."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else text
