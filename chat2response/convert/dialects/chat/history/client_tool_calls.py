"""Calls of Responses' own client-run tools: those of the functions that stand in for them."""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.history.tool_outputs import ANY
from chat2response.convert.dialects.chat.history.turns import Turns
from chat2response.convert.dialects.chat.tools.client_tools import BUILTINS, CALLED
from chat2response.convert.validation import require_object, require_string
from chat2response.wire.json import encode

_Item = dict[str, Any]

_KEYS = ANY | {"call_id", "caller", "execution", "environment"}


def _call(turns: Turns, index: int, item: _Item) -> None:
    kind = CALLED[item["type"]]
    builtin = BUILTINS[kind]
    path = turns.path(index)
    held = require_object(item.get(builtin.holder), f"{path}.{builtin.holder}")
    turns.join(index, item, _KEYS | {builtin.holder})
    arguments = encode(builtin.given(held)).decode()
    function = {"name": turns.tools.sent("", kind, kind), "arguments": arguments}
    call_id = require_string(item.get("call_id") or item.get("id"), f"{path}.call_id")
    turns.call({"id": call_id, "type": "function", "function": function}, index, item.get("id"))


def _tool_search(turns: Turns, index: int, item: _Item) -> None:
    """One that the vendor ran has brought its tools: there is nothing more to say of it."""
    if _of_client(item):
        _call(turns, index, item)


def _tool_search_output(turns: Turns, index: int, item: _Item) -> None:
    if _of_client(item):
        turns.output(index, item)


def _of_client(item: _Item) -> bool:
    return item.get("execution") == "client" or (item.get("execution") is None and bool(item.get("call_id")))


ITEMS: dict[str, Callable[[Turns, int, _Item], None]] = {
    **dict.fromkeys(CALLED, _call),
    "tool_search_call": _tool_search,
    "tool_search_output": _tool_search_output,
}
