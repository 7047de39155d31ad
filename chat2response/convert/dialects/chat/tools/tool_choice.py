"""Converts `tool_choice` in both directions.

Chat nests the name of a chosen tool under its type, and the allowed tools under `allowed_tools`; Responses
has both flat. Toward Chat, a choice names the function that replaces the tool.
"""

from typing import Any

from chat2response.convert.dialects.chat.tools.tool_map import MappedTool, ToolMap
from chat2response.convert.losses import Losses
from chat2response.convert.validation import (
    invalid_value,
    require_object,
    require_objects,
    require_string,
    tool_choice_without_tools,
    unsupported_field,
)

_Choice = dict[str, Any]

_NAMED = ("function", "custom")
_MODES = ("auto", "required", "none")


# -- Chat to the hub -----------------------------------------------------------------------------------


def read_tool_choice(choice: Any) -> Any:
    """Reads Chat's `tool_choice` into the hub: modes stay, nested names become flat."""
    if type(choice) is str:
        return choice
    kind = require_string(require_object(choice, "tool_choice").get("type"), "tool_choice.type")
    if kind in _NAMED:
        return _flat_name(choice, "tool_choice")
    if kind == "allowed_tools":
        allowed = require_object(choice.get("allowed_tools"), "tool_choice.allowed_tools")
        path = "tool_choice.allowed_tools.tools"
        tools = require_objects(allowed.get("tools"), path)
        names = [_flat_name(tool, f"{path}[{index}]") for index, tool in enumerate(tools)]
        return {"type": "allowed_tools", "mode": allowed.get("mode", "auto"), "tools": names}
    raise unsupported_field("tool_choice.type", f"Tool choices of type '{kind}' are not supported.")


def _flat_name(choice: _Choice, where: str) -> _Choice:
    kind = require_string(choice.get("type"), f"{where}.type")
    if kind not in _NAMED:
        raise unsupported_field(f"{where}.type", "Choose a tool of type 'function' or 'custom'.")
    inner = require_object(choice.get(kind), f"{where}.{kind}")
    return {"type": kind, "name": require_string(inner.get("name"), f"{where}.{kind}.name")}


# -- the hub to Chat -----------------------------------------------------------------------------------


def write_tool_choice(choice: Any, tools: ToolMap, losses: Losses) -> Any:
    """Writes Chat's `tool_choice`; None if its tool was dropped. Raises InvalidRequest."""
    if type(choice) is str:
        if choice == "required" and not tools.by_key:
            losses.add("tool_choice")
        return choice
    kind = require_string(require_object(choice, "tool_choice").get("type"), "tool_choice.type")
    if not tools.has_tools:
        raise tool_choice_without_tools()
    if kind == "allowed_tools":
        return _write_allowed_tools(choice, tools, losses)
    mapped = _required_tool(choice, "tool_choice", tools)
    if mapped is None:
        losses.add("tool_choice")
        return None
    return _write_named(mapped, tools)


def _write_allowed_tools(choice: _Choice, tools: ToolMap, losses: Losses) -> Any:
    """Writes the allowed tools without dropped ones. If none is left, no tool may be called."""
    names = []
    for index, tool in enumerate(require_objects(choice.get("tools"), "tool_choice.tools")):
        mapped = _required_tool(tool, f"tool_choice.tools[{index}]", tools)
        if mapped is None:
            losses.add(f"tool_choice.tools[{index}]")
        else:
            names.append(_write_named(mapped, tools))
    mode = choice.get("mode") or "auto"
    if mode not in _MODES:
        raise invalid_value(
            "tool_choice.mode", f"Invalid 'tool_choice.mode': expected one of {', '.join(_MODES)}."
        )
    if not names and mode == "required":
        losses.add("tool_choice.mode")
    if not names or mode == "none":
        return "none"
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": names}}


def allowed_names(choice: Any, tools: ToolMap) -> frozenset[str] | None:
    """The backend's names of the tools that `allowed_tools` allows; None if all are allowed."""
    if type(choice) is not dict or choice.get("type") != "allowed_tools":
        return None
    listed = choice.get("tools") if choice.get("mode") != "none" else None
    matches = (
        [_find_tool(each, tools) for each in listed if type(each) is dict] if type(listed) is list else []
    )
    return frozenset(mapped.sent_name for mapped in matches if mapped is not None)


def _find_tool(choice: _Choice, tools: ToolMap) -> MappedTool | None:
    """The named tool, or None. Ignores errors in the choice, which `_required_tool` raises."""
    kind, name = choice.get("type"), choice.get("name")
    if kind in _NAMED:
        return tools.find(choice.get("namespace"), name) if type(name) is str else None
    return tools.find("", kind, kind) if type(kind) is str else None


def _required_tool(choice: _Choice, where: str, tools: ToolMap) -> MappedTool | None:
    """The named tool; None if it was dropped, or Chat does not have its kind. Raises InvalidRequest."""
    kind = require_string(choice.get("type"), f"{where}.type")
    if kind not in _NAMED:
        return tools.find("", kind, kind)
    name = require_string(choice.get("name"), f"{where}.name")
    mapped = tools.find(choice.get("namespace"), name)
    if mapped is None:
        raise invalid_value(where, f"'{where}' names '{name}', which is not in 'tools'.")
    return mapped


def _write_named(mapped: MappedTool, tools: ToolMap) -> _Choice:
    kind = "custom" if tools.is_native(mapped) else "function"
    return {"type": kind, kind: {"name": mapped.sent_name}}
