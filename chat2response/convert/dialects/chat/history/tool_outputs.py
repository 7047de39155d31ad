"""Converts tool outputs to the content of a tool message: a text, or hub parts.

Chat has a single form for all outputs. Fields of other kinds (exit codes, a status, a screenshot) are written
out as text, always in the same way (law 5, prompt cache).
"""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.validation import (
    missing_field,
    require_object,
    require_objects,
    require_string,
    wrong_type,
)

_Item = dict[str, Any]
_Content = str | list[Any]
_Write = Callable[[_Item, str, ToolMap], _Content]

COMMON_KEYS = frozenset({"type", "id", "status", "created_by"})
_OUTPUT = COMMON_KEYS | {"call_id", "output", "caller"}


def output_content(item: _Item, path: str, tools: ToolMap) -> _Content:
    """The content of an output item. `path` is the path of the item."""
    return OUTPUTS[item["type"]][0](item, path, tools)


def _plain(item: _Item, path: str, tools: ToolMap) -> _Content:
    output = item.get("output")
    if type(output) is str or type(output) is list:
        return output
    raise (
        missing_field(f"{path}.output")
        if output is None
        else wrong_type(f"{path}.output", "a string or an array", output)
    )


def _shell(item: _Item, path: str, tools: ToolMap) -> _Content:
    """For each command, its output and then its exit code."""
    lines: list[str] = []
    for index, chunk in enumerate(require_objects(item.get("output"), f"{path}.output")):
        where = f"{path}.output[{index}]"
        outcome = require_object(chunk.get("outcome"), f"{where}.outcome")
        streams = [require_string(chunk.get(key) or "", f"{where}.{key}") for key in ("stdout", "stderr")]
        if outcome.get("type") == "timeout":
            ending = "[timed out]"
        else:
            ending = f"[exit code {outcome.get('exit_code')}]"
        lines += [member for member in (*streams, ending) if member]
    return "\n".join(lines)


def _apply_patch(item: _Item, path: str, tools: ToolMap) -> _Content:
    status = require_string(item.get("status"), f"{path}.status")
    output = require_string(item.get("output") or "", f"{path}.output")
    return f"{status}\n{output}" if output else status


def _computer(item: _Item, path: str, tools: ToolMap) -> _Content:
    shot = require_object(item.get("output"), f"{path}.output")
    image = {key: shot[key] for key in ("image_url", "file_id", "detail") if shot.get(key) is not None}
    return [{"type": "input_image", **image}]


def _tool_search(item: _Item, path: str, tools: ToolMap) -> _Content:
    """The names of the found tools, which are among the request's tools by now."""
    names: list[str] = []
    for tool in require_objects(item.get("tools"), f"{path}.tools"):
        inner = tool.get("tools") if tool.get("type") == "namespace" else None
        namespace = tool.get("name") if inner is not None else None
        for member in require_objects(inner, f"{path}.tools") if inner is not None else [tool]:
            name = require_string(member.get("name") or member.get("type"), f"{path}.tools.name")
            names.append(tools.sent_name(namespace, name))
    return f"Found: {', '.join(names)}" if names else "Nothing was found."


OUTPUTS: dict[str, tuple[_Write, frozenset[str]]] = {
    "function_call_output": (_plain, _OUTPUT | {"name", "namespace"}),
    "custom_tool_call_output": (_plain, _OUTPUT | {"name", "namespace"}),
    "local_shell_call_output": (_plain, _OUTPUT),
    "shell_call_output": (_shell, _OUTPUT | {"max_output_length"}),
    "apply_patch_call_output": (_apply_patch, _OUTPUT),
    "computer_call_output": (_computer, _OUTPUT | {"acknowledged_safety_checks"}),
    "tool_search_output": (_tool_search, COMMON_KEYS | {"call_id", "execution", "tools"}),
}
"""For each type of output, its writer and its known fields."""
