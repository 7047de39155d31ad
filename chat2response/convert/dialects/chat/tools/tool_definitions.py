"""Converts tool definitions and the response format in both directions.

Chat nests what Responses has flat: `{type: function, function: {name, ...}}` against `{type: function,
name, ...}`; likewise `json_schema`. `tool_map.py` collects the tools of a whole request.
"""

from collections.abc import Callable
from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.dialects.chat.tools.client_tools import CLIENT_TOOLS, ClientToolKind
from chat2response.convert.dialects.chat.tools.custom_tools import INPUT, write_function, write_native
from chat2response.convert.dialects.chat.tools.tool_choice import write_tool_choice
from chat2response.convert.dialects.chat.tools.tool_map import MappedTool, ToolMap
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.validation import (
    require_object,
    require_objects,
    require_string,
    unsupported_field,
)

_Tool = dict[str, Any]

_NESTED_KEYS = frozenset({"name", "description", "parameters", "strict"})
# These fields steer what Chat does not have, so dropping them is no loss. There, tools are always loaded.
_IGNORED = frozenset({"defer_loading", "allowed_callers", "output_schema", "async"})
_FUNCTION_KEYS = frozenset({"type", *_NESTED_KEYS}) | _IGNORED
_CLIENT_TOOL_KEYS = frozenset({"type", "description", "parameters", "environment", "execution"}) | _IGNORED
_CUSTOM_KEYS = frozenset({"type", "name", "description", "format"}) | _IGNORED


def read_tools(tools: Any) -> list[_Tool]:
    """Reads Chat's `tools` into the hub: flat, and always with `parameters` and `strict`."""
    converted = []
    for index, tool in enumerate(require_objects(tools, "tools")):
        kind = tool.get("type")
        read = _READERS.get(kind) if type(kind) is str else None
        if read is None:
            path = f"tools[{index}].type"
            raise unsupported_field(path, f"Tools of type '{require_string(kind, path)}' are not supported.")
        converted.append(read(tool, index))
    return converted


def _read_function(tool: _Tool, index: int) -> _Tool:
    function = tool.get("function")
    if type(function) is not dict:
        function = require_object(function, f"tools[{index}].function")
    name = function.get("name")
    if type(name) is not str:
        require_string(name, f"tools[{index}].function.name")
    converted: _Tool = {"type": "function", "name": name}
    if function.get("description") is not None:
        converted["description"] = function["description"]
    converted["parameters"] = object_schema(function.get("parameters"))
    converted["strict"] = function.get("strict") is True
    if len(tool) > 2:
        unknown_fields.copy_unknown(tool, {"type", "function"}, converted)
    if not _NESTED_KEYS.issuperset(function):
        unknown_fields.copy_unknown(function, _NESTED_KEYS, converted, "function.")
    return converted


def _read_custom(tool: _Tool, index: int) -> _Tool:
    """Reads a custom tool. Chat nests a grammar one level deeper."""
    path = f"tools[{index}].custom"
    custom = require_object(tool.get("custom"), path)
    converted: _Tool = {"type": "custom", "name": require_string(custom.get("name"), f"{path}.name")}
    if custom.get("description") is not None:
        converted["description"] = custom["description"]
    if custom.get("format") is not None:
        format_path = f"{path}.format"
        converted["format"] = _read_custom_format(require_object(custom["format"], format_path), format_path)
    unknown_fields.copy_unknown(tool, {"type", "custom"}, converted)
    unknown_fields.copy_unknown(custom, {"name", "description", "format"}, converted, "custom.")
    return converted


def _read_custom_format(input_format: dict[str, Any], path: str) -> dict[str, Any]:
    if require_string(input_format.get("type"), f"{path}.type") != "grammar":
        return input_format
    grammar = require_object(input_format.get("grammar"), f"{path}.grammar")
    return {
        "type": "grammar",
        **{key: require_string(grammar.get(key), f"{path}.grammar.{key}") for key in _GRAMMAR},
    }


_GRAMMAR = ("syntax", "definition")
_READERS: dict[str, Callable[[_Tool, int], _Tool]] = {"function": _read_function, "custom": _read_custom}


def object_schema(parameters: Any) -> Any:
    """Completes a function's parameters to the schema of an object: backends refuse one without a type."""
    schema = {} if parameters is None else parameters
    if type(schema) is not dict or (schema.get("type") and schema.get("properties", True) is not None):
        return schema
    members = {key: value for key, value in schema.items() if value is not None or key not in _SHAPED}
    converted = {"type": "object", **members}
    return converted if _SHAPES.intersection(converted) else {**converted, "properties": {}}


_SHAPED = ("type", "properties")
_SHAPES = frozenset({"properties", "$ref", "anyOf", "oneOf", "allOf"})


def read_web_search(options: Any) -> _Tool:
    """Reads Chat's `web_search_options` into a `web_search` tool; the location moves up one level."""
    converted = {**require_object(options, "web_search_options"), "type": "web_search"}
    location = converted.get("user_location")
    if location is not None:
        path = "web_search_options.user_location"
        approximate = require_object(require_object(location, path).get("approximate"), f"{path}.approximate")
        converted["user_location"] = {"type": "approximate", **approximate}
    return converted


def read_response_format(value: Any) -> dict[str, Any]:
    """Reads Chat's `response_format` into the hub's `text.format`. Adds the schema, which Chat may omit."""
    response_format = require_object(value, "response_format")
    if response_format.get("type") != "json_schema":
        require_string(response_format.get("type"), "response_format.type")
        return response_format
    path = "response_format.json_schema"
    nested = require_object(response_format.get("json_schema"), path)
    require_string(nested.get("name"), f"{path}.name")
    converted = {"type": "json_schema", **{key: value for key, value in nested.items() if value is not None}}
    converted.setdefault("schema", {"type": "object", "properties": {}})
    return converted


def write_response_format(value: Any, path: str) -> dict[str, Any]:
    """Writes Chat's `response_format` from the hub's `text.format`, whose path is `path`."""
    response_format = require_object(value, path)
    if response_format.get("type") != "json_schema":
        require_string(response_format.get("type"), f"{path}.type")
        return response_format
    require_string(response_format.get("name"), f"{path}.name")
    nested = {key: value for key, value in response_format.items() if value is not None and key != "type"}
    return {"type": "json_schema", "json_schema": nested}


def write_tools(hub: HubRequest, tools: ToolMap, losses: Losses) -> dict[str, Any]:
    """Writes Chat's `tools`, `tool_choice` and `parallel_tool_calls`; none of them if no tool is left.

    A tool that Chat does not have is dropped with a loss, and so is a choice that names it.
    """
    body = hub.body
    for path, label in tools.dropped_tools.items():
        losses.add(path, f"dropped: {label}")
    choice = body.get("tool_choice")
    if choice is not None:
        choice = write_tool_choice(choice, tools, losses)
    if not tools.by_key:
        return {}
    written = [_write_tool(each, tools, losses) for each in tools.by_key.values()]
    if tools.quirks.strict_tools and not tools.plain:
        _match_strictness(written, list(tools.by_key.values()), tools)
    out: dict[str, Any] = {"tools": written}
    if choice is not None:
        out["tool_choice"] = choice
    if body.get("parallel_tool_calls") is not None:
        out["parallel_tool_calls"] = body["parallel_tool_calls"]
    return out


def _match_strictness(written: list[_Tool], mapped: list[MappedTool], tools: ToolMap) -> None:
    """Makes functions that replace custom tools as strict as the client's functions: some backends accept
    only one value for all."""
    pairs = list(zip(written, mapped, strict=True))
    emulated = [tool["function"] for tool, each in pairs if is_emulated(each, tools)]
    if not emulated:
        return
    values = [
        tool["function"].get("strict")
        for tool, each in pairs
        if "function" in tool and not is_emulated(each, tools)
    ]
    if all(values):
        for function in emulated:
            function["strict"] = True
    elif False in values:
        for function in emulated:
            function["strict"] = False


def is_emulated(mapped: MappedTool, tools: ToolMap) -> bool:
    """Whether this is a custom tool that is sent as a function."""
    return mapped.kind == "custom" and not tools.is_native(mapped)


def _write_tool(mapped: MappedTool, tools: ToolMap, losses: Losses) -> _Tool:
    if mapped.kind == "function":
        return _write_function(mapped, losses)
    if mapped.kind != "custom":
        return _write_client_tool(mapped, mapped.kind, losses)
    if not _CUSTOM_KEYS.issuperset(mapped.tool):
        unknown_fields.report_unknown(mapped.tool, _CUSTOM_KEYS, mapped.path, losses)
    description = _full_description(mapped)
    if tools.is_native(mapped):
        return write_native(mapped.tool, mapped.sent_name, description, mapped.path)
    return write_function(mapped.tool, mapped.sent_name, description, mapped.path, losses)


def _write_function(mapped: MappedTool, losses: Losses) -> _Tool:
    tool = mapped.tool
    function: _Tool = {"name": mapped.sent_name}
    if mapped.namespace_description:
        function["description"] = _full_description(mapped)
    elif tool.get("description") is not None:
        function["description"] = tool["description"]
    function["parameters"] = object_schema(tool.get("parameters"))
    if type(tool.get("strict")) is bool:
        function["strict"] = tool["strict"]
    if not _FUNCTION_KEYS.issuperset(tool):
        unknown_fields.report_unknown(tool, _FUNCTION_KEYS, mapped.path, losses)
    return {"type": "function", "function": function}


def tool_parameters(mapped: MappedTool) -> Any:
    """The parameter schema of the function for a tool; None if the client sent none."""
    if mapped.kind == "custom":
        return INPUT
    if mapped.kind == "function":
        return mapped.tool.get("parameters")
    return mapped.tool.get("parameters") or CLIENT_TOOLS[mapped.kind].parameters


def _write_client_tool(mapped: MappedTool, kind: ClientToolKind, losses: Losses) -> _Tool:
    """Writes a client-run tool. The client's own description and parameters win: a search has its own."""
    tool = mapped.tool
    unknown_fields.report_unknown(tool, _CLIENT_TOOL_KEYS, mapped.path, losses)
    unknown_fields.report_unknown(
        tool.get("environment") or {}, {"type"}, f"{mapped.path}.environment", losses
    )
    function = {
        "name": mapped.sent_name,
        "description": tool.get("description") or CLIENT_TOOLS[kind].description,
        "parameters": tool_parameters(mapped),
    }
    return {"type": "function", "function": function}


def _full_description(mapped: MappedTool) -> str:
    """The namespace's description followed by the tool's own."""
    own = mapped.tool.get("description") or ""
    return "\n\n".join(
        filter(None, (mapped.namespace_description, require_string(own, f"{mapped.path}.description")))
    )
