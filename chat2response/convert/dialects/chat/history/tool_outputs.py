"""What a tool answered, as the content of a tool message: a text, or the hub's parts.

Chat has one form for all of it. What another kind of output says in fields of its own (exit codes, a status,
a screenshot) is written out, always in the same way.
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

ANY = frozenset({"type", "id", "status", "created_by"})
_OUTPUT = ANY | {"call_id", "output", "caller"}


def content_of(item: _Item, path: str, tools: ToolMap) -> _Content:
    """The content of an output item, whose path is `path`."""
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
    """Of each command what it wrote, then how it ended."""
    said: list[str] = []
    for index, chunk in enumerate(require_objects(item.get("output"), f"{path}.output")):
        where = f"{path}.output[{index}]"
        outcome = require_object(chunk.get("outcome"), f"{where}.outcome")
        written = [require_string(chunk.get(key) or "", f"{where}.{key}") for key in ("stdout", "stderr")]
        if outcome.get("type") == "timeout":
            ended = "[timed out]"
        else:
            ended = f"[exit code {outcome.get('exit_code')}]"
        said += [each for each in (*written, ended) if each]
    return "\n".join(said)


def _apply_patch(item: _Item, path: str, tools: ToolMap) -> _Content:
    status = require_string(item.get("status"), f"{path}.status")
    output = require_string(item.get("output") or "", f"{path}.output")
    return f"{status}\n{output}" if output else status


def _computer(item: _Item, path: str, tools: ToolMap) -> _Content:
    shot = require_object(item.get("output"), f"{path}.output")
    image = {key: shot[key] for key in ("image_url", "file_id", "detail") if shot.get(key) is not None}
    return [{"type": "input_image", **image}]


def _tool_search(item: _Item, path: str, tools: ToolMap) -> _Content:
    """The names of the tools that were found: they are among the request's by now."""
    names: list[str] = []
    for tool in require_objects(item.get("tools"), f"{path}.tools"):
        inner = tool.get("tools") if tool.get("type") == "namespace" else None
        namespace = tool.get("name") if inner is not None else None
        for each in require_objects(inner, f"{path}.tools") if inner is not None else [tool]:
            name = require_string(each.get("name") or each.get("type"), f"{path}.tools.name")
            names.append(tools.sent(namespace, name))
    return f"Found: {', '.join(names)}" if names else "Nothing was found."


OUTPUTS: dict[str, tuple[_Write, frozenset[str]]] = {
    "function_call_output": (_plain, _OUTPUT | {"name", "namespace"}),
    "custom_tool_call_output": (_plain, _OUTPUT | {"name", "namespace"}),
    "local_shell_call_output": (_plain, _OUTPUT),
    "shell_call_output": (_shell, _OUTPUT | {"max_output_length"}),
    "apply_patch_call_output": (_apply_patch, _OUTPUT),
    "computer_call_output": (_computer, _OUTPUT | {"acknowledged_safety_checks"}),
    "tool_search_output": (_tool_search, ANY | {"call_id", "execution", "tools"}),
}
"""By type: how it is written, and its known fields."""
