"""Custom tools toward a Chat backend: as they are where it has them, else as a function with one string.

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
"""The parameters of the function that stands in for a custom tool."""
_HOW = "Give the input of this tool, as it is and complete, in the string `input`."


def read_grammar(tool: Mapping[str, Any], path: str) -> tuple[str, str] | None:
    """The syntax and the definition of the grammar that the input has to match; None for free text."""
    if tool.get("format") is None:
        return None
    where = f"{path}.format"
    asked = require_object(tool["format"], where)
    kind = require_string(asked.get("type"), f"{where}.type")
    if kind == "text":
        return None
    if kind != "grammar":
        raise invalid_value(
            f"{where}.type", f"Invalid value: '{kind}'. Supported values are: 'text' and 'grammar'."
        )
    syntax = require_string(asked.get("syntax"), f"{where}.syntax")
    return syntax, require_string(asked.get("definition"), f"{where}.definition")


def write_native(tool: Mapping[str, Any], name: str, description: str, path: str) -> _Tool:
    """As Chat has it: the grammar one level deeper than in Responses."""
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
    """As a function; a grammar stands in its description, which no backend holds the model to."""
    said = [description, _HOW] if description else [_HOW]
    grammar = read_grammar(tool, path)
    if grammar is not None:
        syntax, definition = grammar
        said.append(f"It has to match this grammar ({syntax}):\n\n{definition}")
        losses.add(f"{path}.format", "described, not enforced")
    function: _Tool = {"name": name, "description": "\n\n".join(said), "parameters": INPUT}
    return {"type": "function", "function": function}


def write_call(call_id: str, name: str, given: str, *, native: bool) -> dict[str, Any]:
    """A call of the history in an assistant message; `given` is the input."""
    if native:
        return {"id": call_id, "type": "custom", "custom": {"name": name, "input": given}}
    arguments = encode({"input": given}).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
