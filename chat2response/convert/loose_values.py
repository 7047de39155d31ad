"""Reads values that a stranger wrote: each function takes anything, and raises nothing."""

from typing import Any

_DIGITS = 9  # of an index


def short_name(value: Any) -> str:
    """A stranger's name for a kind of thing, fit to be repeated."""
    return value[:40] if type(value) is str else "?"


def as_string(value: Any) -> str:
    """A string, or an empty one."""
    return value if type(value) is str else ""


def as_objects(value: Any) -> list[dict[str, Any]]:
    """The objects of an array, or none."""
    return [each for each in value if type(each) is dict] if type(value) is list else []


def as_parts(held: Any) -> list[dict[str, Any]]:
    """The parts of an item of an answer; some servers write the text itself."""
    return [{"type": "text", "text": held}] if type(held) is str and held else as_objects(held)


def as_index(index: Any) -> int | None:
    """An index in whatever form it is written (`1`, `"1"`, `1.0`); None for what is none."""
    if type(index) is str and index.isdecimal() and len(index) <= _DIGITS:
        return int(index)
    if type(index) is float and index.is_integer():
        return int(index)
    return index if type(index) is int else None
