"""A value that cannot be used, told: its variable, the value, and what may stand there."""

from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from chat2response.observe.redact import redact
from chat2response.settings.model import Settings

_SHOWN = 16  # characters: what is longer than a word or a number may be a secret in the wrong place


def explain(error: ValidationError) -> str:
    """A line, and in it a sentence, for each setting that is wrong."""
    return "\n".join(_line(each) for each in error.errors(include_url=False))


def _line(each: ErrorDetails) -> str:
    """Values that we refuse ourselves are refused in our own words."""
    said = each["msg"].removeprefix("Value error, ").rstrip(".")
    if not each["loc"]:
        return f"{said}."
    name = str(each["loc"][0])
    if each["type"] != "value_error":
        said = (
            f"{_shown(each['input'])} cannot be used; write {_allowed(Settings.model_fields[name.lower()])}"
        )
    return f"{name.upper()}: {said}{'' if said.endswith('?') else '.'}"


def _shown(value: object) -> str:
    text = str(value)
    if len(text) > _SHOWN or redact(text) != text:
        return f"what is set ({len(text)} characters)"
    return ascii(text)


def _allowed(field: FieldInfo) -> str:
    kind = _plain(field.annotation)
    if words := tuple(_words(kind)):
        return _or(words)
    if kind is bool:
        return "1, true, yes or on, or 0, false, no or off"
    if kind in (int, float):
        return ("a whole number" if kind is int else "a number") + _bounds(field)
    return "a text"


def _plain(kind: Any) -> Any:
    """The type without the `None` beside it."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    return kind


def _words(kind: Any) -> Iterator[str]:
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        yield from (each.value for each in kind)


def _bounds(field: FieldInfo) -> str:
    found = {
        name: value
        for bound in field.metadata
        for name in ("gt", "ge", "le")
        if (value := getattr(bound, name, None)) is not None
    }
    match found:
        case {"ge": least, "le": most}:
            return f" from {least} to {most}"
        case {"ge": least}:
            return f", {least} or more"
        case {"gt": least}:
            return f" above {least}"
    return ""


def _or(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
