"""What is passed to the library: a mapping, or a TypeError that says what to pass instead."""

from collections.abc import Mapping
from typing import Any


def fields_of(name: str, value: Any) -> dict[str, Any]:
    """A copy of the argument `name`. Raises TypeError."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str | bytes | bytearray):
        hint = f"decode the JSON first, json.loads({name})"
    elif hasattr(value, "model_dump"):  # objects of the openai SDK
        hint = f"pass {name}.model_dump(exclude_unset=True)"
    else:
        hint = "pass the decoded JSON object"
    raise TypeError(f"{name} is a mapping (a dict), not {type(value).__name__}: {hint}")
