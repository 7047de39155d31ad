"""A key that is there twice in a body that goes up as it is: parsers differ in which of the two they take.

What was checked must be what the upstream reads. So what is checked may be there once only; a key that
decides nothing here passes as often as it likes. To some servers (those in Go) `Model` is `model`, too.
"""

from collections.abc import Container, Iterable, Sequence

from chat2response.convert.validation import invalid_value
from chat2response.errors import InvalidRequest
from chat2response.quota.estimate import CHOICES, OUTPUT_LIMITS, SEARCH_SWITCHES
from chat2response.wire.json_members import elements, first_repeated_key, last_values

_REFERENCES = ("previous_response_id", "conversation", "prompt_cache_options", "input", "tools")
_OF_ITEM = ("type", "id", "role", "container_id", "approval_request_id", "environment", "tools")
_OF_TOOL_WITH_CONTAINER = ("container", "environment", "tools")
_ASK = (
    "model", "models", "tools", "input", "stream", "stream_options", "background",
    *OUTPUT_LIMITS, *CHOICES, *SEARCH_SWITCHES,
)  # fmt: skip
_DEEPEST = 4  # levels of tools; the APIs have two, and each one is read again with all that is in it
_OF_TOOL = ("type", "server_label", "environment", "tools")


def check_references(body: bytes) -> None:
    """A Responses request, a JSON object, may name what is kept in one way only. Raises InvalidRequest."""
    fields = _once(body, _REFERENCES)
    _once(fields.get("conversation", b""), ("id",), "conversation.")
    _once(fields.get("prompt_cache_options", b""), ("comparison_response_id",), "prompt_cache_options.")
    for at, item in enumerate(elements(fields.get("input", b""))):
        path = f"input[{at}]."
        members = _once(item, _OF_ITEM, path)
        _once(members.get("environment", b""), ("container_id",), f"{path}environment.")
        _check_containers(members, path)
    _check_containers(fields, "")


def _check_containers(fields: dict[str, bytes], path: str, depth: int = 0) -> None:
    for at, tool in enumerate(_tools_of(fields, path, depth)):
        place = f"{path}tools[{at}]."
        members = _once(tool, _OF_TOOL_WITH_CONTAINER, place)
        _once(members.get("container", b""), ("id", "container_id"), f"{place}container.")
        _once(members.get("environment", b""), ("container_id",), f"{place}environment.")
        _check_containers(members, place, depth + 1)


def check_ask(body: bytes) -> None:
    """A request, a JSON object, may say in one way only what its key must be allowed to ask for.

    Raises InvalidRequest.
    """
    fields = _once(body, _ASK)
    _check_tools(fields, "")
    for at, item in enumerate(elements(fields.get("input", b""))):
        path = f"input[{at}]."
        _check_tools(_once(item, ("tools",), path), path)


def check_names(fields: Iterable[str]) -> None:
    """The same of a request that is written anew: no key may be another spelling of one that is checked.

    Raises InvalidRequest.
    """
    _check_spelling(fields, _ASK, "")


def _check_tools(fields: dict[str, bytes], path: str, depth: int = 0) -> None:
    for at, tool in enumerate(_tools_of(fields, path, depth)):
        place = f"{path}tools[{at}]."
        members = _once(tool, _OF_TOOL, place)
        _once(members.get("environment", b""), ("type",), f"{place}environment.")
        _check_tools(members, place, depth + 1)


def _tools_of(fields: dict[str, bytes], path: str, depth: int) -> Sequence[bytes]:
    tools = elements(fields.get("tools", b""))
    if tools and depth == _DEEPEST:
        raise invalid_value(f"{path}tools", f"Tools nest more than {_DEEPEST} levels at '{path}tools'.")
    return tools


def _once(value: bytes, names: Container[str], path: str = "") -> dict[str, bytes]:
    """The values of an object's keys, unread; nothing of what is no object."""
    if not value.lstrip(b" \t\r\n").startswith(b"{"):
        return {}
    fields = last_values(value)
    _check_spelling(fields, names, path)
    name = first_repeated_key(value, fields, names)
    if name is not None:
        raise _twice(path + name)
    return fields


def _check_spelling(fields: Iterable[str], names: Container[str], path: str) -> None:
    for name in fields:
        exact = name.casefold()
        if exact in names and name not in names:
            raise invalid_value(
                path + name,
                f"Unknown parameter: '{path}{name}'. Some servers read it as '{path}{exact}', which your "
                f"key's rights are checked by: write '{exact}'.",
                "unknown_parameter",
            )


def _twice(path: str) -> InvalidRequest:
    return invalid_value(
        path,
        f"'{path}' is given twice. Your key's right to it is checked, and parsers differ in which of the two "
        "they read: give it once.",
        "duplicate_parameter",
    )
