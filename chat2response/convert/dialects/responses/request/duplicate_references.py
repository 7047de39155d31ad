"""Checks that a Responses request names stored objects unambiguously."""

from chat2response.convert.requests.unique_fields import tools_in, unique_values
from chat2response.wire.json_members import elements

_REFERENCE_FIELDS = ("previous_response_id", "conversation", "prompt_cache_options", "input", "tools")
_ITEM_FIELDS = ("type", "id", "role", "container_id", "approval_request_id", "environment", "tools")
_TOOL_CONTAINER_FIELDS = ("container", "environment", "tools")


def check_references(body: bytes) -> None:
    """Checks that a Responses request names stored objects unambiguously. Raises InvalidRequest."""
    fields = unique_values(body, _REFERENCE_FIELDS)
    unique_values(fields.get("conversation", b""), ("id",), "conversation.")
    unique_values(
        fields.get("prompt_cache_options", b""), ("comparison_response_id",), "prompt_cache_options."
    )
    for index, item in enumerate(elements(fields.get("input", b""))):
        path = f"input[{index}]."
        members = unique_values(item, _ITEM_FIELDS, path)
        unique_values(members.get("environment", b""), ("container_id",), f"{path}environment.")
        _check_tool_containers(members, path)
    _check_tool_containers(fields, "")


def _check_tool_containers(fields: dict[str, bytes], path: str, depth: int = 0) -> None:
    for index, tool in enumerate(tools_in(fields, path, depth)):
        tool_path = f"{path}tools[{index}]."
        members = unique_values(tool, _TOOL_CONTAINER_FIELDS, tool_path)
        unique_values(members.get("container", b""), ("id", "container_id"), f"{tool_path}container.")
        unique_values(members.get("environment", b""), ("container_id",), f"{tool_path}environment.")
        _check_tool_containers(members, tool_path, depth + 1)
