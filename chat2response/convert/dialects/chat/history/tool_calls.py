"""Writes calls of functions and custom tools, and their outputs."""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.history.tool_outputs import COMMON_KEYS, OUTPUTS
from chat2response.convert.dialects.chat.history.turns import TurnBuilder
from chat2response.convert.dialects.chat.tools.custom_tools import write_call
from chat2response.convert.validation import require_string
from chat2response.convert.writer.call_arguments import arguments_or_empty_object

_Item = dict[str, Any]

_FUNCTION_KEYS = COMMON_KEYS | {"call_id", "name", "namespace", "arguments", "caller", "async"}
_CUSTOM_KEYS = COMMON_KEYS | {"call_id", "name", "namespace", "input", "caller", "async"}


def _function(turns: TurnBuilder, index: int, item: _Item) -> None:
    turns.join(index, item, _FUNCTION_KEYS)
    call_id, name, arguments = item.get("call_id"), item.get("name"), item.get("arguments")
    if type(call_id) is not str or type(name) is not str or type(arguments) is not str:
        for key in ("call_id", "name"):
            require_string(item.get(key), f"{turns.path(index)}.{key}")
        arguments = require_string("" if arguments is None else arguments, f"{turns.path(index)}.arguments")
    function = {"name": _sent_name(turns, index, item), "arguments": arguments_or_empty_object(arguments)}
    turns.add_call({"id": call_id, "type": "function", "function": function}, index)


def _custom(turns: TurnBuilder, index: int, item: _Item) -> None:
    turns.join(index, item, _CUSTOM_KEYS)
    path = turns.path(index)
    call_id, _, tool_input = (
        require_string(item.get(key), f"{path}.{key}") for key in ("call_id", "name", "input")
    )
    native = turns.quirks.custom_tools
    turns.add_call(write_call(call_id, _sent_name(turns, index, item), tool_input, native=native), index)


def _sent_name(turns: TurnBuilder, index: int, item: _Item) -> str:
    """The name under which the backend knows the called tool."""
    namespace = item.get("namespace")
    if namespace is not None:
        require_string(namespace, f"{turns.path(index)}.namespace")
    return turns.tools.sent_name(namespace, item["name"])


ITEMS: dict[str, Callable[[TurnBuilder, int, _Item], None]] = {
    **dict.fromkeys(OUTPUTS, TurnBuilder.add_output),
    "function_call": _function,
    "custom_tool_call": _custom,
}
