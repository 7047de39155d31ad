"""Rejects duplicate keys in a body that goes upstream unchanged, since parsers differ in which value they
take.

The upstream must read the value that was checked, so every checked key may occur only once. Other keys may
repeat. Some servers, those written in Go, also read `Model` as `model`.
"""

from collections.abc import Container, Iterable, Sequence

from chat2response.convert.validation import invalid_value
from chat2response.errors import InvalidRequest
from chat2response.wire.json_members import elements, first_repeated_key, last_values

_MAX_TOOL_DEPTH = 4  # the APIs nest two; each level is parsed again with all inner ones


def tools_in(fields: dict[str, bytes], path: str, depth: int) -> Sequence[bytes]:
    """The elements of `tools`. Raises InvalidRequest if they nest too deeply."""
    tools = elements(fields.get("tools", b""))
    if tools and depth == _MAX_TOOL_DEPTH:
        raise invalid_value(
            f"{path}tools", f"Tools nest more than {_MAX_TOOL_DEPTH} levels at '{path}tools'."
        )
    return tools


def unique_values(value: bytes, names: Container[str], path: str = "") -> dict[str, bytes]:
    """The raw values of an object's keys; empty if `value` is not an object. Raises InvalidRequest."""
    if not value.lstrip(b" \t\r\n").startswith(b"{"):
        return {}
    fields = last_values(value)
    check_spelling(fields, names, path)
    name = first_repeated_key(value, fields, names)
    if name is not None:
        raise _duplicate(path + name)
    return fields


def check_spelling(fields: Iterable[str], names: Container[str], path: str) -> None:
    """Raises InvalidRequest for a key that differs from a checked one only in case."""
    for name in fields:
        exact = name.casefold()
        if exact in names and name not in names:
            raise invalid_value(
                path + name,
                f"Unknown parameter: '{path}{name}'. Some servers read it as '{path}{exact}', which is "
                f"checked for your key. Write '{exact}'.",
                "unknown_parameter",
            )


def _duplicate(path: str) -> InvalidRequest:
    return invalid_value(
        path,
        f"'{path}' occurs twice. Your key's permissions depend on it, and parsers differ in which value they "
        "read. Send it once.",
        "duplicate_parameter",
    )
