"""The fields that an operator sets on a key: label, owner, metadata, scopes, limits; and their validation."""

from collections.abc import Callable, Mapping
from typing import Any

from chat2response.errors import InvalidRequest
from chat2response.keys.grants import scope_error
from chat2response.keys.limits import KeyLimits

MAX_TEXT = 500  # characters of a label, an owner, a scope, a value of metadata
MAX_NAME = 64  # characters of a name in metadata
MAX_PAIRS = 16  # in metadata
MAX_SCOPES = 200


def validated(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in the form of a record; null clears one. Raises InvalidRequest."""
    return {name: None if value is None else _VALIDATORS[name](value, name) for name, value in fields.items()}


def differing(fields: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """The names of the fields whose value differs from the record's. Raises InvalidRequest."""
    return [name for name, value in validated(fields).items() if record.get(name) != value]


def _text(value: Any, param: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise InvalidRequest(f"{param} must be a string of at most {MAX_TEXT} characters", param=param)
    return value


def _scopes(value: Any, param: str) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > MAX_SCOPES:
        raise InvalidRequest(f"{param} must be an array of at most {MAX_SCOPES} strings", param=param)
    for n, scope in enumerate(value):
        error = scope_error(_text(scope, f"{param}[{n}]"))
        if error is not None:
            raise InvalidRequest(f"{error}.", param=f"{param}[{n}]")
    return list(value)


def _metadata(value: Any, param: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > MAX_PAIRS:
        raise InvalidRequest(f"{param} must be an object of at most {MAX_PAIRS} strings", param=param)
    for name, text in value.items():
        if not 0 < len(name) <= MAX_NAME:
            raise InvalidRequest(f"a name in {param} must have 1 to {MAX_NAME} characters", param=param)
        _text(text, f"{param}.{name}")
    return dict(value)


def _limits(value: Any, param: str) -> dict[str, int] | None:
    return KeyLimits.check(value).document() or None


_VALIDATORS: dict[str, Callable[[Any, str], Any]] = {
    "label": _text,
    "owner": _text,
    "metadata": _metadata,
    "scopes": _scopes,
    "limits": _limits,
}
NAMES = tuple(_VALIDATORS)
