"""`tool_choice`, both ways.

Chat nests the name of a chosen tool under its type, and the allowed tools under `allowed_tools`; Responses
writes both flat. Toward Chat a choice names what was sent: the function that stands in for a tool.
"""

from typing import Any

from chat2response.convert.dialects.chat.tools.tool_map import Bound, ToolMap
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
    """The hub's `tool_choice`: modes stay, names lose their nest."""
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
    raise unsupported_field("tool_choice.type", f"A tool choice of type '{kind}' cannot be converted here.")


def _flat_name(choice: _Choice, where: str) -> _Choice:
    kind = require_string(choice.get("type"), f"{where}.type")
    if kind not in _NAMED:
        raise unsupported_field(
            f"{where}.type", "Only tools of type 'function' or 'custom' can be chosen here."
        )
    inner = require_object(choice.get(kind), f"{where}.{kind}")
    return {"type": kind, "name": require_string(inner.get("name"), f"{where}.{kind}.name")}


# -- the hub to Chat -----------------------------------------------------------------------------------


def write_choice(choice: Any, tools: ToolMap, losses: Losses) -> Any:
    """Chat's `tool_choice`, or None where nothing of it is left. Raises InvalidRequest."""
    if type(choice) is str:
        if choice == "required" and not tools.bound:
            losses.add("tool_choice")
        return choice
    kind = require_string(require_object(choice, "tool_choice").get("type"), "tool_choice.type")
    if not tools.given:
        raise tool_choice_without_tools()
    if kind == "allowed_tools":
        return _write_allowed(choice, tools, losses)
    bound = _chosen(choice, "tool_choice", tools)
    if bound is None:
        losses.add("tool_choice")
        return None
    return _nested(bound, tools)


def _write_allowed(choice: _Choice, tools: ToolMap, losses: Losses) -> Any:
    """The allowed set without the tools that were dropped; when none is left, no tool may be called."""
    names = []
    for index, tool in enumerate(require_objects(choice.get("tools"), "tool_choice.tools")):
        bound = _chosen(tool, f"tool_choice.tools[{index}]", tools)
        if bound is None:
            losses.add(f"tool_choice.tools[{index}]")
        else:
            names.append(_nested(bound, tools))
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
    """The backend's names of the tools that `allowed_tools` lets be called; None where all may be."""
    if type(choice) is not dict or choice.get("type") != "allowed_tools":
        return None
    listed = choice.get("tools") if choice.get("mode") != "none" else None
    found = [_find(each, tools) for each in listed if type(each) is dict] if type(listed) is list else []
    return frozenset(bound.sent for bound in found if bound is not None)


def _find(choice: _Choice, tools: ToolMap) -> Bound | None:
    """The tool that is named, if it is there, whatever else is wrong: `_chosen` says that."""
    kind, name = choice.get("type"), choice.get("name")
    if kind in _NAMED:
        return tools.find(choice.get("namespace"), name) if type(name) is str else None
    return tools.find("", kind, kind) if type(kind) is str else None


def _chosen(choice: _Choice, where: str, tools: ToolMap) -> Bound | None:
    """The tool that is named; None for one that was dropped, or of a kind that Chat does not have."""
    kind = require_string(choice.get("type"), f"{where}.type")
    if kind not in _NAMED:
        return tools.find("", kind, kind)
    name = require_string(choice.get("name"), f"{where}.name")
    bound = tools.find(choice.get("namespace"), name)
    if bound is None:
        raise invalid_value(where, f"'{where}' names '{name}', which is not among the tools.")
    return bound


def _nested(bound: Bound, tools: ToolMap) -> _Choice:
    kind = "custom" if tools.native(bound) else "function"
    return {"type": kind, kind: {"name": bound.sent}}
