"""The hub's tools toward a Responses upstream, when they came from another dialect."""

from typing import Any

from chat2response.convert.check import chosen_without_tools
from chat2response.convert.losses import Losses


def leave_out_unused(out: dict[str, Any], losses: Losses) -> None:
    """Without tools, removes what belongs to them: `tools: []`, or a choice among none, is a 400.

    Raises InvalidRequest for a choice that names a tool.
    """
    if out.get("tools"):
        return
    choice = out.get("tool_choice")
    if type(choice) is dict:
        raise chosen_without_tools()
    if choice == "required":
        losses.add("tool_choice")
    for name in ("tools", "tool_choice", "parallel_tool_calls"):
        out.pop(name, None)
