"""Writes calls of Responses' client-run tools (shell, apply_patch, tool_search) as function calls."""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.history.tool_outputs import COMMON_KEYS
from chat2response.convert.dialects.chat.history.turns import TurnBuilder
from chat2response.convert.dialects.chat.tools.client_tools import CLIENT_TOOLS, KIND_BY_CALL_TYPE
from chat2response.convert.validation import require_object, require_string
from chat2response.wire.json import encode

_Item = dict[str, Any]

_KEYS = COMMON_KEYS | {"call_id", "caller", "execution", "environment"}


def _call(turns: TurnBuilder, index: int, item: _Item) -> None:
    kind = KIND_BY_CALL_TYPE[item["type"]]
    client_tool = CLIENT_TOOLS[kind]
    path = turns.path(index)
    payload = require_object(item.get(client_tool.payload_field), f"{path}.{client_tool.payload_field}")
    turns.join(index, item, _KEYS | {client_tool.payload_field})
    arguments = encode(client_tool.to_arguments(payload)).decode()
    function = {"name": turns.tools.sent_name("", kind, kind), "arguments": arguments}
    call_id = require_string(item.get("call_id") or item.get("id"), f"{path}.call_id")
    turns.add_call({"id": call_id, "type": "function", "function": function}, index, item.get("id"))


def _tool_search(turns: TurnBuilder, index: int, item: _Item) -> None:
    """Skips a search that the vendor ran: its tools are already among the request's."""
    if _is_client_run(item):
        _call(turns, index, item)


def _tool_search_output(turns: TurnBuilder, index: int, item: _Item) -> None:
    if _is_client_run(item):
        turns.add_output(index, item)


def _is_client_run(item: _Item) -> bool:
    return item.get("execution") == "client" or (item.get("execution") is None and bool(item.get("call_id")))


ITEMS: dict[str, Callable[[TurnBuilder, int, _Item], None]] = {
    **dict.fromkeys(KIND_BY_CALL_TYPE, _call),
    "tool_search_call": _tool_search,
    "tool_search_output": _tool_search_output,
}
