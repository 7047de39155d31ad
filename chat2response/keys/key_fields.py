"""What a key's maker says of it: label, owner, metadata, scopes, limits; checked alike for HTTP and shell."""

from collections.abc import Callable, Mapping
from typing import Any

from chat2response.errors import InvalidRequest
from chat2response.keys.grants import mistake
from chat2response.keys.limits import KeyLimits

MOST_TEXT = 500  # characters of a label, an owner, a scope, a value of metadata
MOST_NAME = 64  # characters of a name in metadata
MOST_PAIRS = 16
MOST_SCOPES = 200


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields as a record keeps them; null clears one. Raises InvalidRequest."""
    return {name: None if value is None else _CHECKS[name](value, name) for name, value in given.items()}


def differing(given: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    """The names of those that a record, as it is held, has otherwise. Raises InvalidRequest."""
    return [name for name, value in checked(given).items() if held.get(name) != value]


def _text(value: Any, param: str) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise InvalidRequest(f"{param} must be a string of at most {MOST_TEXT} characters", param=param)
    return value


def _scopes(value: Any, param: str) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > MOST_SCOPES:
        raise InvalidRequest(f"{param} must be an array of at most {MOST_SCOPES} strings", param=param)
    for n, scope in enumerate(value):
        wrong = mistake(_text(scope, f"{param}[{n}]"))
        if wrong is not None:
            raise InvalidRequest(f"{wrong}.", param=f"{param}[{n}]")
    return list(value)


def _metadata(value: Any, param: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > MOST_PAIRS:
        raise InvalidRequest(f"{param} must be an object of at most {MOST_PAIRS} strings", param=param)
    for name, text in value.items():
        if not 0 < len(name) <= MOST_NAME:
            raise InvalidRequest(f"a name in {param} has 1 to {MOST_NAME} characters", param=param)
        _text(text, f"{param}.{name}")
    return dict(value)


def _limits(value: Any, param: str) -> dict[str, int] | None:
    return KeyLimits.check(value).document() or None


_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "label": _text,
    "owner": _text,
    "metadata": _metadata,
    "scopes": _scopes,
    "limits": _limits,
}
NAMES = tuple(_CHECKS)
