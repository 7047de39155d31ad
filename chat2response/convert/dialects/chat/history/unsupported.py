"""Handles items that have no Chat message: skips those that are handled elsewhere, and rejects the others."""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.history.turns import TurnBuilder
from chat2response.convert.validation import require_string, unsupported_field

_Item = dict[str, Any]
_Write = Callable[[TurnBuilder, int, _Item], None]


def write_unknown(turns: TurnBuilder, index: int, item: _Item) -> None:
    """Writes references that have no `type`. Drops items of an unknown type, with a loss."""
    kind = item.get("type")
    if kind is None and type(item.get("id")) is str:
        OTHER_ITEMS["item_reference"](turns, index, item)
    else:
        path = turns.path(index)
        require_string(kind, f"{path}.type")
        turns.losses.add(path)


def _skip(turns: TurnBuilder, index: int, item: _Item) -> None:
    """Skips tools, which `ToolMap` reads, and settings, which `apply_configuration_updates` reads."""


def _reject(reason: str) -> _Write:
    def reject(turns: TurnBuilder, index: int, item: _Item) -> None:
        kind = item.get("type") or "item_reference"
        message = f"A Chat Completions upstream does not accept an input item of type '{kind}'{reason}"
        raise unsupported_field(f"{turns.path(index)}.type", message)

    return reject


_AGENTS = ("agent_message", "multi_agent_call", "multi_agent_call_output")

OTHER_ITEMS: dict[str, _Write] = {
    **dict.fromkeys(_AGENTS, _reject(".")),
    "additional_tools": _skip,
    "configuration_update": _skip,
    "compaction": _reject(". Only the API that created it can read it."),
    "compaction_trigger": _reject(", because it cannot compact a conversation."),
    "item_reference": _reject(", because it stores no items. Send the item itself."),
    "mcp_approval_response": _reject(", because no tool call waits for an approval there."),
}
