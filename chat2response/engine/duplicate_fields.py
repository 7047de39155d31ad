"""Rejects duplicate keys in a body that goes upstream unchanged, since parsers differ in which value they
take.

The upstream must read the value that was checked, so every checked key may occur only once. Other keys may
repeat. Some servers, those written in Go, also read `Model` as `model`.
"""

from collections.abc import Container, Iterable, Sequence

from chat2response.convert.validation import invalid_value
from chat2response.errors import InvalidRequest
from chat2response.quota.request_estimate import CHOICES, OUTPUT_LIMITS, SEARCH_SWITCHES
from chat2response.wire.json_members import elements, first_repeated_key, last_values

_REFERENCE_FIELDS = ("previous_response_id", "conversation", "prompt_cache_options", "input", "tools")
_ITEM_FIELDS = ("type", "id", "role", "container_id", "approval_request_id", "environment", "tools")
_TOOL_CONTAINER_FIELDS = ("container", "environment", "tools")
_PERMISSION_FIELDS = (
    "model", "models", "tools", "input", "stream", "stream_options", "background",
    *OUTPUT_LIMITS, *CHOICES, *SEARCH_SWITCHES,
)  # fmt: skip
_MAX_TOOL_DEPTH = 4  # the APIs nest two; each level is parsed again with all inner ones
_TOOL_FIELDS = ("type", "server_label", "environment", "tools")


def check_references(body: bytes) -> None:
    """Checks that a Responses request names stored objects unambiguously. Raises InvalidRequest."""
    fields = _unique_values(body, _REFERENCE_FIELDS)
    _unique_values(fields.get("conversation", b""), ("id",), "conversation.")
    _unique_values(
        fields.get("prompt_cache_options", b""), ("comparison_response_id",), "prompt_cache_options."
    )
    for index, item in enumerate(elements(fields.get("input", b""))):
        path = f"input[{index}]."
        members = _unique_values(item, _ITEM_FIELDS, path)
        _unique_values(members.get("environment", b""), ("container_id",), f"{path}environment.")
        _check_tool_containers(members, path)
    _check_tool_containers(fields, "")


def _check_tool_containers(fields: dict[str, bytes], path: str, depth: int = 0) -> None:
    for index, tool in enumerate(_tools_in(fields, path, depth)):
        tool_path = f"{path}tools[{index}]."
        members = _unique_values(tool, _TOOL_CONTAINER_FIELDS, tool_path)
        _unique_values(members.get("container", b""), ("id", "container_id"), f"{tool_path}container.")
        _unique_values(members.get("environment", b""), ("container_id",), f"{tool_path}environment.")
        _check_tool_containers(members, tool_path, depth + 1)


def check_permission_fields(body: bytes) -> None:
    """Checks that a request states unambiguously what its key needs permission for.

    Raises InvalidRequest.
    """
    fields = _unique_values(body, _PERMISSION_FIELDS)
    _check_tools(fields, "")
    for index, item in enumerate(elements(fields.get("input", b""))):
        path = f"input[{index}]."
        _check_tools(_unique_values(item, ("tools",), path), path)


def check_field_names(fields: Iterable[str]) -> None:
    """Like `check_permission_fields`, for a request that is written anew: only the spelling of keys matters.

    Raises InvalidRequest.
    """
    _check_spelling(fields, _PERMISSION_FIELDS, "")


def _check_tools(fields: dict[str, bytes], path: str, depth: int = 0) -> None:
    for index, tool in enumerate(_tools_in(fields, path, depth)):
        tool_path = f"{path}tools[{index}]."
        members = _unique_values(tool, _TOOL_FIELDS, tool_path)
        _unique_values(members.get("environment", b""), ("type",), f"{tool_path}environment.")
        _check_tools(members, tool_path, depth + 1)


def _tools_in(fields: dict[str, bytes], path: str, depth: int) -> Sequence[bytes]:
    tools = elements(fields.get("tools", b""))
    if tools and depth == _MAX_TOOL_DEPTH:
        raise invalid_value(
            f"{path}tools", f"Tools nest more than {_MAX_TOOL_DEPTH} levels at '{path}tools'."
        )
    return tools


def _unique_values(value: bytes, names: Container[str], path: str = "") -> dict[str, bytes]:
    """The raw values of an object's keys; empty if `value` is not an object. Raises InvalidRequest."""
    if not value.lstrip(b" \t\r\n").startswith(b"{"):
        return {}
    fields = last_values(value)
    _check_spelling(fields, names, path)
    name = first_repeated_key(value, fields, names)
    if name is not None:
        raise _duplicate(path + name)
    return fields


def _check_spelling(fields: Iterable[str], names: Container[str], path: str) -> None:
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
