"""Checks the arguments of the library's functions."""

from collections.abc import Mapping
from typing import Any


def copy_mapping(name: str, value: Any) -> dict[str, Any]:
    """Returns the argument `name` as a new dict. Raises TypeError, with a hint, if it is not a mapping."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str | bytes | bytearray):
        hint = f"Decode the JSON first: json.loads({name})."
    elif hasattr(value, "model_dump"):  # objects of the openai SDK
        hint = f"Pass {name}.model_dump(exclude_unset=True)."
    else:
        hint = "Pass the decoded JSON object."
    raise TypeError(f"{name} must be a mapping (a dict), not {type(value).__name__}. {hint}")
