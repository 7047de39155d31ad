"""Sends custom tools to a Chat backend: as they are if it has them, else as functions with one string.

{type: custom, name, input}   {name, arguments: {"input": "..."}}
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.losses import Losses
from chat2response.convert.validation import invalid_value, require_object, require_string
from chat2response.wire.json import encode

_Tool = dict[str, Any]

INPUT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
"""The parameters of the function that replaces a custom tool."""
_INPUT_HINT = "Give the input of this tool, as it is and complete, in the string `input`."


def read_grammar(tool: Mapping[str, Any], path: str) -> tuple[str, str] | None:
    """The syntax and definition of the grammar that the input must match; None for free text."""
    if tool.get("format") is None:
        return None
    where = f"{path}.format"
    input_format = require_object(tool["format"], where)
    kind = require_string(input_format.get("type"), f"{where}.type")
    if kind == "text":
        return None
    if kind != "grammar":
        raise invalid_value(
            f"{where}.type", f"Invalid value: '{kind}'. Supported values are: 'text' and 'grammar'."
        )
    syntax = require_string(input_format.get("syntax"), f"{where}.syntax")
    return syntax, require_string(input_format.get("definition"), f"{where}.definition")


def write_native(tool: Mapping[str, Any], name: str, description: str, path: str) -> _Tool:
    """Writes a custom tool for a backend that has them. Chat nests the grammar one level deeper."""
    custom: _Tool = {"name": name}
    if description:
        custom["description"] = description
    grammar = read_grammar(tool, path)
    if grammar is not None:
        syntax, definition = grammar
        inner = {"syntax": syntax, "definition": definition}
        custom["format"] = {"type": "grammar", "grammar": inner}
    elif tool.get("format") is not None:
        custom["format"] = {"type": "text"}
    return {"type": "custom", "custom": custom}


def write_function(tool: Mapping[str, Any], name: str, description: str, path: str, losses: Losses) -> _Tool:
    """Writes a custom tool as a function. A grammar goes into its description, where nothing enforces it."""
    paragraphs = [description, _INPUT_HINT] if description else [_INPUT_HINT]
    grammar = read_grammar(tool, path)
    if grammar is not None:
        syntax, definition = grammar
        paragraphs.append(f"It has to match this grammar ({syntax}):\n\n{definition}")
        losses.add(f"{path}.format", "described, not enforced")
    function: _Tool = {"name": name, "description": "\n\n".join(paragraphs), "parameters": INPUT}
    return {"type": "function", "function": function}


def write_call(call_id: str, name: str, tool_input: str, *, native: bool) -> dict[str, Any]:
    """Writes a custom tool call of the history as a tool call of Chat."""
    if native:
        return {"id": call_id, "type": "custom", "custom": {"name": name, "input": tool_input}}
    arguments = encode({"input": tool_input}).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
