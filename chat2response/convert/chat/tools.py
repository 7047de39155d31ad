"""Tools, tool choice and answer format, both ways.

Chat nests what Responses writes flat: `{type: function, function: {name, ...}}` against `{type: function,
name, ...}`; likewise a named choice, the allowed tools, and `json_schema`.
"""

from collections.abc import Callable
from typing import Any

from chat2response.convert import foreign
from chat2response.convert.check import chosen_without_tools, mapping, objects, text, unsupported
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses

_Tool = dict[str, Any]

_NESTED = frozenset({"name", "description", "parameters", "strict"})
_FLAT = frozenset(
    {"type", *_NESTED, "defer_loading", "allowed_callers", "output_schema", "async"}
)  # the last four steer what Chat does not have, and mean nothing there


def read_tools(tools: Any) -> list[_Tool]:
    """The hub's tools of Chat's `tools`: flat, with `parameters` and `strict` always written."""
    made = []
    for index, tool in enumerate(objects(tools, "tools")):
        kind = tool.get("type")
        read = _READERS.get(kind) if type(kind) is str else None
        if read is None:
            path = f"tools[{index}].type"
            raise unsupported(path, f"A tool of type '{text(kind, path)}' cannot be converted here.")
        made.append(read(tool, index))
    return made


def _read_function(tool: _Tool, index: int) -> _Tool:
    function = tool.get("function")
    if type(function) is not dict:
        function = mapping(function, f"tools[{index}].function")
    name = function.get("name")
    if type(name) is not str:
        text(name, f"tools[{index}].function.name")
    made: _Tool = {"type": "function", "name": name}
    if function.get("description") is not None:
        made["description"] = function["description"]
    parameters = function.get("parameters")
    made["parameters"] = {"type": "object", "properties": {}} if parameters is None else parameters
    made["strict"] = function.get("strict") is True
    if len(tool) > 2:
        foreign.keep(tool, {"type", "function"}, made)
    if not _NESTED.issuperset(function):
        foreign.keep(function, _NESTED, made, "function.")
    return made


_READERS: dict[str, Callable[[_Tool, int], _Tool]] = {"function": _read_function}


def read_web_search(options: Any) -> _Tool:
    """The hub's `web_search` tool of Chat's `web_search_options`: the location moves up one level."""
    made = {**mapping(options, "web_search_options"), "type": "web_search"}
    location = made.get("user_location")
    if location is not None:
        path = "web_search_options.user_location"
        approximate = mapping(mapping(location, path).get("approximate"), f"{path}.approximate")
        made["user_location"] = {"type": "approximate", **approximate}
    return made


def read_tool_choice(choice: Any) -> Any:
    """The hub's `tool_choice`: modes stay, names lose their nest."""
    if type(choice) is str:
        return choice
    kind = text(mapping(choice, "tool_choice").get("type"), "tool_choice.type")
    if kind == "function":
        return _flat_name(choice, "tool_choice")
    if kind == "allowed_tools":
        allowed = mapping(choice.get("allowed_tools"), "tool_choice.allowed_tools")
        path = "tool_choice.allowed_tools.tools"
        tools = objects(allowed.get("tools"), path)
        names = [_flat_name(tool, f"{path}[{index}]") for index, tool in enumerate(tools)]
        return {"type": "allowed_tools", "mode": allowed.get("mode", "auto"), "tools": names}
    raise unsupported("tool_choice.type", f"A tool choice of type '{kind}' cannot be converted here.")


def _flat_name(choice: _Tool, where: str) -> _Tool:
    if choice.get("type") != "function":
        raise unsupported(f"{where}.type", "Only tools of type 'function' can be chosen here.")
    function = mapping(choice.get("function"), f"{where}.function")
    return {"type": "function", "name": text(function.get("name"), f"{where}.function.name")}


def read_format(wanted: Any) -> dict[str, Any]:
    """The hub's `text.format` of Chat's `response_format`; a schema, optional in Chat, is always written."""
    asked = mapping(wanted, "response_format")
    if asked.get("type") != "json_schema":
        text(asked.get("type"), "response_format.type")
        return asked
    path = "response_format.json_schema"
    nested = mapping(asked.get("json_schema"), path)
    text(nested.get("name"), f"{path}.name")
    made = {"type": "json_schema", **{key: value for key, value in nested.items() if value is not None}}
    made.setdefault("schema", {"type": "object", "properties": {}})
    return made


def write_format(wanted: Any, path: str) -> dict[str, Any]:
    """Chat's `response_format` of the hub's `text.format`, whose path is `path`."""
    asked = mapping(wanted, path)
    if asked.get("type") != "json_schema":
        text(asked.get("type"), f"{path}.type")
        return asked
    text(asked.get("name"), f"{path}.name")
    nested = {key: value for key, value in asked.items() if value is not None and key != "type"}
    return {"type": "json_schema", "json_schema": nested}


def write_tools(hub: HubRequest, losses: Losses) -> dict[str, Any]:
    """Chat's `tools`, `tool_choice` and `parallel_tool_calls`: all of them, or none where no tool is left.

    A tool that Chat cannot say is dropped with a loss, and with it a choice that names it.
    """
    body = hub.body
    tools = objects(body.get("tools") or [], "tools")
    made = []
    for index, tool in enumerate(tools):
        kind = tool.get("type")
        write = _WRITERS.get(kind) if type(kind) is str else None
        if write is None:
            text(kind, f"tools[{index}].type")
            losses.add(f"tools[{index}]")
        else:
            made.append(write(tool, index, losses))
    choice = body.get("tool_choice")
    if choice is not None:
        choice = _write_choice(choice, bool(tools), bool(made), losses)
    if not made:
        return {}
    out: dict[str, Any] = {"tools": made}
    if choice is not None:
        out["tool_choice"] = choice
    if body.get("parallel_tool_calls") is not None:
        out["parallel_tool_calls"] = body["parallel_tool_calls"]
    return out


def _write_function(tool: _Tool, index: int, losses: Losses) -> _Tool:
    name = tool.get("name")
    if type(name) is not str:
        text(name, f"tools[{index}].name")
    function: _Tool = {"name": name}
    if tool.get("description") is not None:
        function["description"] = tool["description"]
    if tool.get("parameters") is not None:
        function["parameters"] = tool["parameters"]
    if type(tool.get("strict")) is bool:
        function["strict"] = tool["strict"]
    if not _FLAT.issuperset(tool):
        foreign.note(tool, _FLAT, f"tools[{index}]", losses)
    return {"type": "function", "function": function}


_WRITERS: dict[str, Callable[[_Tool, int, Losses], _Tool]] = {"function": _write_function}


def _write_choice(choice: Any, given: bool, left: bool, losses: Losses) -> Any:
    """Chat's `tool_choice`, or None. `given`: the client sent tools; `left`: some of them can be sent."""
    if type(choice) is str:
        if choice == "required" and not left:
            losses.add("tool_choice")
        return choice
    kind = text(mapping(choice, "tool_choice").get("type"), "tool_choice.type")
    if not given:
        raise chosen_without_tools()
    if kind == "allowed_tools":
        return _write_allowed(choice, losses)
    if kind != "function" or not left:
        losses.add("tool_choice")
        return None
    return _nested_name(choice, "tool_choice")


def _write_allowed(choice: _Tool, losses: Losses) -> Any:
    """The allowed set without the tools that were dropped; when none is left, no tool may be called."""
    names = []
    for index, tool in enumerate(objects(choice.get("tools"), "tool_choice.tools")):
        if tool.get("type") == "function":
            names.append(_nested_name(tool, f"tool_choice.tools[{index}]"))
        else:
            losses.add(f"tool_choice.tools[{index}]")
    mode = choice.get("mode") or "auto"
    if not names and mode == "required":
        losses.add("tool_choice.mode")
    if not names or mode == "none":
        return "none"
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": names}}


def _nested_name(choice: _Tool, where: str) -> _Tool:
    return {"type": "function", "function": {"name": text(choice.get("name"), f"{where}.name")}}
