"""Checks that a request states unambiguously what its key needs permission for."""

from collections.abc import Iterable

from chat2response.convert.requests.output_limit import OUTPUT_LIMITS
from chat2response.convert.requests.unique_fields import check_spelling, tools_in, unique_values
from chat2response.quota.request_estimate import CHOICES, SEARCH_SWITCHES
from chat2response.wire.json_members import elements

_PERMISSION_FIELDS = (
    "model", "models", "tools", "input", "stream", "stream_options", "background",
    *OUTPUT_LIMITS, *CHOICES, *SEARCH_SWITCHES,
)  # fmt: skip
_TOOL_FIELDS = ("type", "server_label", "environment", "tools")


def check_permission_fields(body: bytes) -> None:
    """Checks that a request states unambiguously what its key needs permission for.

    Raises InvalidRequest.
    """
    fields = unique_values(body, _PERMISSION_FIELDS)
    _check_tools(fields, "")
    for index, item in enumerate(elements(fields.get("input", b""))):
        path = f"input[{index}]."
        _check_tools(unique_values(item, ("tools",), path), path)


def check_field_names(fields: Iterable[str]) -> None:
    """Like `check_permission_fields`, for a request that is written anew: only the spelling of keys matters.

    Raises InvalidRequest.
    """
    check_spelling(fields, _PERMISSION_FIELDS, "")


def _check_tools(fields: dict[str, bytes], path: str, depth: int = 0) -> None:
    for index, tool in enumerate(tools_in(fields, path, depth)):
        tool_path = f"{path}tools[{index}]."
        members = unique_values(tool, _TOOL_FIELDS, tool_path)
        unique_values(members.get("environment", b""), ("type",), f"{tool_path}environment.")
        _check_tools(members, tool_path, depth + 1)
