"""Writes the hub's tools for a Responses upstream, if they came from another dialect."""

from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.losses import Losses
from chat2response.convert.validation import tool_choice_without_tools

_KNOWN = {
    "function": frozenset({"type", "name", "description", "parameters", "strict"}),
    "custom": frozenset({"type", "name", "description", "format"}),
}
"""The keys that are written, by type; the other types are Responses' own and pass unchanged."""


def write_tools(out: dict[str, Any], losses: Losses) -> None:
    """Prepares the three tool fields of `out` for sending.

    Without tools all three are removed: `tools: []`, or a choice without tools, is a 400 upstream. Raises
    InvalidRequest for a choice that names a tool then.
    """
    tools = out.get("tools")
    if tools:
        out["tools"] = [_write_tool(tool, index, losses) for index, tool in enumerate(tools)]
        return
    choice = out.get("tool_choice")
    if type(choice) is dict:
        raise tool_choice_without_tools()
    if choice == "required":
        losses.add("tool_choice")
    for name in ("tools", "tool_choice", "parallel_tool_calls"):
        out.pop(name, None)


def _write_tool(tool: dict[str, Any], index: int, losses: Losses) -> dict[str, Any]:
    known = _KNOWN.get(tool["type"])
    if known is None or known.issuperset(tool):
        return tool
    return unknown_fields.keep_known(tool, known, f"tools[{index}]", losses)
