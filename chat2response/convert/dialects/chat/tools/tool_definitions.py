"""Tools and answer format, both ways.

Chat nests what Responses writes flat: `{type: function, function: {name, ...}}` against `{type: function,
name, ...}`; likewise `json_schema`. What a request's tools become together is `toolmap.py`.
"""

from collections.abc import Callable
from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.dialects.chat.tools.client_tools import BUILTINS, BuiltinKind
from chat2response.convert.dialects.chat.tools.custom_tools import INPUT, write_function, write_native
from chat2response.convert.dialects.chat.tools.tool_choice import write_choice
from chat2response.convert.dialects.chat.tools.tool_map import Bound, ToolMap
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.validation import (
    require_object,
    require_objects,
    require_string,
    unsupported_field,
)

_Tool = dict[str, Any]

_NESTED = frozenset({"name", "description", "parameters", "strict"})
_STEERING = frozenset({"defer_loading", "allowed_callers", "output_schema", "async"})
# The last steer what Chat does not have, and mean nothing there: every tool is loaded, and called directly.
_FLAT = frozenset({"type", *_NESTED}) | _STEERING
_BUILTIN = frozenset({"type", "description", "parameters", "environment", "execution"}) | _STEERING
_CUSTOM = frozenset({"type", "name", "description", "format"}) | _STEERING


def read_tools(tools: Any) -> list[_Tool]:
    """The hub's tools of Chat's `tools`: flat, with `parameters` and `strict` always written."""
    made = []
    for index, tool in enumerate(require_objects(tools, "tools")):
        kind = tool.get("type")
        read = _READERS.get(kind) if type(kind) is str else None
        if read is None:
            path = f"tools[{index}].type"
            raise unsupported_field(
                path, f"A tool of type '{require_string(kind, path)}' cannot be converted here."
            )
        made.append(read(tool, index))
    return made


def _read_function(tool: _Tool, index: int) -> _Tool:
    function = tool.get("function")
    if type(function) is not dict:
        function = require_object(function, f"tools[{index}].function")
    name = function.get("name")
    if type(name) is not str:
        require_string(name, f"tools[{index}].function.name")
    made: _Tool = {"type": "function", "name": name}
    if function.get("description") is not None:
        made["description"] = function["description"]
    made["parameters"] = object_schema(function.get("parameters"))
    made["strict"] = function.get("strict") is True
    if len(tool) > 2:
        unknown_fields.copy_unknown(tool, {"type", "function"}, made)
    if not _NESTED.issuperset(function):
        unknown_fields.copy_unknown(function, _NESTED, made, "function.")
    return made


def _read_custom(tool: _Tool, index: int) -> _Tool:
    """A grammar stands one level deeper in Chat."""
    path = f"tools[{index}].custom"
    custom = require_object(tool.get("custom"), path)
    made: _Tool = {"type": "custom", "name": require_string(custom.get("name"), f"{path}.name")}
    if custom.get("description") is not None:
        made["description"] = custom["description"]
    if custom.get("format") is not None:
        made["format"] = _read_custom_format(
            require_object(custom["format"], f"{path}.format"), f"{path}.format"
        )
    unknown_fields.copy_unknown(tool, {"type", "custom"}, made)
    unknown_fields.copy_unknown(custom, {"name", "description", "format"}, made, "custom.")
    return made


def _read_custom_format(asked: dict[str, Any], path: str) -> dict[str, Any]:
    if require_string(asked.get("type"), f"{path}.type") != "grammar":
        return asked
    grammar = require_object(asked.get("grammar"), f"{path}.grammar")
    return {
        "type": "grammar",
        **{key: require_string(grammar.get(key), f"{path}.grammar.{key}") for key in _GRAMMAR},
    }


_GRAMMAR = ("syntax", "definition")
_READERS: dict[str, Callable[[_Tool, int], _Tool]] = {"function": _read_function, "custom": _read_custom}


def object_schema(parameters: Any) -> Any:
    """A function's parameters as an object's schema: backends refuse what does not say that it is one."""
    schema = {} if parameters is None else parameters
    if type(schema) is not dict or (schema.get("type") and schema.get("properties", True) is not None):
        return schema
    said = {key: value for key, value in schema.items() if value is not None or key not in _SHAPED}
    made = {"type": "object", **said}
    return made if _SHAPES.intersection(made) else {**made, "properties": {}}


_SHAPED = ("type", "properties")
_SHAPES = frozenset({"properties", "$ref", "anyOf", "oneOf", "allOf"})


def read_web_search(options: Any) -> _Tool:
    """The hub's `web_search` tool of Chat's `web_search_options`: the location moves up one level."""
    made = {**require_object(options, "web_search_options"), "type": "web_search"}
    location = made.get("user_location")
    if location is not None:
        path = "web_search_options.user_location"
        approximate = require_object(require_object(location, path).get("approximate"), f"{path}.approximate")
        made["user_location"] = {"type": "approximate", **approximate}
    return made


def read_format(wanted: Any) -> dict[str, Any]:
    """The hub's `text.format` of Chat's `response_format`; a schema, optional in Chat, is always written."""
    asked = require_object(wanted, "response_format")
    if asked.get("type") != "json_schema":
        require_string(asked.get("type"), "response_format.type")
        return asked
    path = "response_format.json_schema"
    nested = require_object(asked.get("json_schema"), path)
    require_string(nested.get("name"), f"{path}.name")
    made = {"type": "json_schema", **{key: value for key, value in nested.items() if value is not None}}
    made.setdefault("schema", {"type": "object", "properties": {}})
    return made


def write_format(wanted: Any, path: str) -> dict[str, Any]:
    """Chat's `response_format` of the hub's `text.format`, whose path is `path`."""
    asked = require_object(wanted, path)
    if asked.get("type") != "json_schema":
        require_string(asked.get("type"), f"{path}.type")
        return asked
    require_string(asked.get("name"), f"{path}.name")
    nested = {key: value for key, value in asked.items() if value is not None and key != "type"}
    return {"type": "json_schema", "json_schema": nested}


def write_tools(hub: HubRequest, tools: ToolMap, losses: Losses) -> dict[str, Any]:
    """Chat's `tools`, `tool_choice` and `parallel_tool_calls`: all of them, or none where no tool is left.

    A tool that Chat cannot say is dropped with a loss, and with it a choice that names it.
    """
    body = hub.body
    for path, called in tools.dropped.items():
        losses.add(path, f"dropped: {called}")
    choice = body.get("tool_choice")
    if choice is not None:
        choice = write_choice(choice, tools, losses)
    if not tools.bound:
        return {}
    written = [_write_tool(each, tools, losses) for each in tools.bound.values()]
    if tools.quirks.strict_tools:
        _as_strict(written, list(tools.bound.values()), tools)
    out: dict[str, Any] = {"tools": written}
    if choice is not None:
        out["tool_choice"] = choice
    if body.get("parallel_tool_calls") is not None:
        out["parallel_tool_calls"] = body["parallel_tool_calls"]
    return out


def _as_strict(written: list[_Tool], bound: list[Bound], tools: ToolMap) -> None:
    """Makes what stands in for a custom tool as strict as the client's functions are: some backends take one
    value for all."""
    ours = [tool["function"] for tool, each in zip(written, bound, strict=True) if stands_in(each, tools)]
    if not ours:
        return
    values = [
        tool["function"].get("strict")
        for tool, each in zip(written, bound, strict=True)
        if "function" in tool and not stands_in(each, tools)
    ]
    if all(values):
        for function in ours:
            function["strict"] = True
    elif False in values:
        for function in ours:
            function["strict"] = False


def stands_in(bound: Bound, tools: ToolMap) -> bool:
    """Whether a tool is custom, and sent as a function."""
    return bound.kind == "custom" and not tools.native(bound)


def _write_tool(bound: Bound, tools: ToolMap, losses: Losses) -> _Tool:
    if bound.kind == "function":
        return _write_function(bound, losses)
    if bound.kind != "custom":
        return _write_builtin(bound, bound.kind, losses)
    if not _CUSTOM.issuperset(bound.tool):
        unknown_fields.report_unknown(bound.tool, _CUSTOM, bound.path, losses)
    about = _described(bound)
    if tools.native(bound):
        return write_native(bound.tool, bound.sent, about, bound.path)
    return write_function(bound.tool, bound.sent, about, bound.path, losses)


def _write_function(bound: Bound, losses: Losses) -> _Tool:
    tool = bound.tool
    function: _Tool = {"name": bound.sent}
    if bound.about:
        function["description"] = _described(bound)
    elif tool.get("description") is not None:
        function["description"] = tool["description"]
    function["parameters"] = object_schema(tool.get("parameters"))
    if type(tool.get("strict")) is bool:
        function["strict"] = tool["strict"]
    if not _FLAT.issuperset(tool):
        unknown_fields.report_unknown(tool, _FLAT, bound.path, losses)
    return {"type": "function", "function": function}


def parameters_of(bound: Bound) -> Any:
    """The schema of what the function for a tool is given; None where the client gave none."""
    if bound.kind == "custom":
        return INPUT
    if bound.kind == "function":
        return bound.tool.get("parameters")
    return bound.tool.get("parameters") or BUILTINS[bound.kind].parameters


def _write_builtin(bound: Bound, kind: BuiltinKind, losses: Losses) -> _Tool:
    """A client's own description and parameters win: those of a search are its own."""
    tool = bound.tool
    unknown_fields.report_unknown(tool, _BUILTIN, bound.path, losses)
    unknown_fields.report_unknown(
        tool.get("environment") or {}, {"type"}, f"{bound.path}.environment", losses
    )
    function = {
        "name": bound.sent,
        "description": tool.get("description") or BUILTINS[kind].description,
        "parameters": parameters_of(bound),
    }
    return {"type": "function", "function": function}


def _described(bound: Bound) -> str:
    """The description, below that of the namespace."""
    own = bound.tool.get("description") or ""
    return "\n\n".join(filter(None, (bound.about, require_string(own, f"{bound.path}.description"))))
