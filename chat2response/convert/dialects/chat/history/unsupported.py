"""Items that are no message: what they mean has its place elsewhere, or cannot be had here and is refused."""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.history.messages import write_message
from chat2response.convert.dialects.chat.history.turns import Turns
from chat2response.convert.validation import require_string, unsupported_field

_Item = dict[str, Any]
_Write = Callable[[Turns, int, _Item], None]


def write_other(turns: Turns, index: int, item: _Item) -> None:
    """Messages and references without a type; types that nobody here knows, which say nothing to Chat."""
    kind = item.get("type")
    if kind is None and "role" in item:
        write_message(turns, index, item)
    elif kind is None and type(item.get("id")) is str:
        REST["item_reference"](turns, index, item)
    else:
        path = turns.path(index)
        require_string(kind, f"{path}.type")
        turns.losses.add(path)


def _elsewhere(turns: Turns, index: int, item: _Item) -> None:
    """Tools are among the request's (`ToolMap`), changed settings among its fields (`configured`)."""


def _refused(why: str) -> _Write:
    def refuse(turns: Turns, index: int, item: _Item) -> None:
        kind = item.get("type") or "item_reference"
        message = f"An input item of type '{kind}' cannot be sent to a Chat Completions upstream{why}"
        raise unsupported_field(f"{turns.path(index)}.type", message)

    return refuse


_AGENTS = ("agent_message", "multi_agent_call", "multi_agent_call_output")

REST: dict[str, _Write] = {
    **dict.fromkeys(_AGENTS, _refused(".")),
    "additional_tools": _elsewhere,
    "configuration_update": _elsewhere,
    "compaction": _refused(": what it holds can only be read where it was made."),
    "compaction_trigger": _refused(", which cannot compact a conversation."),
    "item_reference": _refused(", which keeps no items; send the item itself."),
    "mcp_approval_response": _refused(", where nothing waits for an approval."),
}
