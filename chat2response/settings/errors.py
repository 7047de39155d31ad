"""Explains a value that cannot be used: its variable, the value, and what may be written instead."""

from collections.abc import Callable, Iterator
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from chat2response.settings.fields import Settings

_MAX_SHOWN = 16  # characters; a longer value may be a secret in the wrong variable


def explain(error: ValidationError, redact: Callable[[str], str]) -> str:
    """One sentence on one line for each wrong setting. `redact` masks secrets in a text."""
    return "\n".join(_line(each, redact) for each in error.errors(include_url=False))


def _line(each: ErrorDetails, redact: Callable[[str], str]) -> str:
    """The sentence for one error. Our own checks bring their text; pydantic's texts are replaced."""
    message = each["msg"].removeprefix("Value error, ").rstrip(".")
    if not each["loc"]:
        return f"{message}."
    name = str(each["loc"][0])
    if each["type"] != "value_error":
        allowed = _allowed(Settings.model_fields[name.lower()])
        message = f"{_display(each['input'], redact)} cannot be used; write {allowed}"
    return f"{name.upper()}: {message}{'' if message.endswith('?') else '.'}"


def _display(value: object, redact: Callable[[str], str]) -> str:
    text = str(value)
    if len(text) > _MAX_SHOWN or redact(text) != text:
        return f"the value ({len(text)} characters)"
    return ascii(text)


def _allowed(field: FieldInfo) -> str:
    kind = _plain(field.annotation)
    if choices := tuple(_choices(kind)):
        return _or(choices)
    if kind is bool:
        return "1, true, yes or on, or 0, false, no or off"
    if kind in (int, float):
        return ("a whole number" if kind is int else "a number") + _bounds(field)
    return "text"


def _plain(kind: Any) -> Any:
    """The type without `| None`."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    return kind


def _choices(kind: Any) -> Iterator[str]:
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        yield from (each.value for each in kind)


def _bounds(field: FieldInfo) -> str:
    bounds = {
        name: value
        for bound in field.metadata
        for name in ("gt", "ge", "le")
        if (value := getattr(bound, name, None)) is not None
    }
    match bounds:
        case {"ge": least, "le": most}:
            return f" from {least} to {most}"
        case {"ge": least}:
            return f", {least} or more"
        case {"gt": least}:
            return f" above {least}"
    return ""


def _or(choices: tuple[str, ...]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"
