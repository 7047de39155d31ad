"""Reads untrusted JSON values. Every function accepts any value and never raises."""

from typing import Any

from chat2response.wire.json import encode, too_deep

_MAX_DIGITS = 9  # of an index


def short_name(value: Any) -> str:
    """An untrusted name, shortened for a message; `?` if it is not a string."""
    return value[:40] if type(value) is str else "?"


def as_string(value: Any) -> str:
    """The string; an empty one for another type."""
    return value if type(value) is str else ""


def as_objects(value: Any) -> list[dict[str, Any]]:
    """The objects in an array; none for another type."""
    return [each for each in value if type(each) is dict] if type(value) is list else []


def as_parts(content: Any) -> list[dict[str, Any]]:
    """The parts of an output item; some servers send a plain text instead."""
    return [{"type": "text", "text": content}] if type(content) is str and content else as_objects(content)


def as_index(index: Any) -> int | None:
    """An index in any form (`1`, `"1"`, `1.0`); None for any other value."""
    if type(index) is str and index.isdecimal() and len(index) <= _MAX_DIGITS:
        return int(index)
    if type(index) is float and index.is_integer():
        return int(index)
    return index if type(index) is int else None


def arguments_of(value: Any) -> str:
    """A call's arguments as JSON text; some backends send an object instead of text."""
    if type(value) is str:
        return value
    return "" if value is None or too_deep(value) else encode(value).decode()


def may_have_text(value: Any) -> bool:
    """Whether a value may contain text: numbers and flags do not."""
    return bool(value.strip()) if type(value) is str else type(value) in (list, dict) and bool(value)
