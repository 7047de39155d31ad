"""Reads Chat messages into hub items. `turns.py` is the reverse.

An assistant message becomes a reasoning item, a message item and one item per tool call, in this order; empty
ones are left out. An output has the kind (function or custom) of its call.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.dialects.chat.request.content_parts import read_assistant_parts, read_parts
from chat2response.convert.validation import (
    invalid_value,
    missing_field,
    require_array,
    require_object,
    require_string,
    unsupported_field,
    wrong_type,
)
from chat2response.convert.writer.call_arguments import arguments_or_empty_object, same_arguments

_Items = list[dict[str, Any]]

_CALL_TYPES = ("function_call", "custom_tool_call")
_OUTPUT_TYPES = ("function_call_output", "custom_tool_call_output")
_MESSAGE_KEYS = frozenset({"type", "role", "content"})
_REASONING_FIELDS = ("reasoning_content", "reasoning")
_ASSISTANT_KEYS = _MESSAGE_KEYS | {"refusal", "tool_calls", *_REASONING_FIELDS, "function_call", "audio"}
_TOOL_KEYS = _MESSAGE_KEYS | {"tool_call_id", "name"}
_CALL_KEYS = frozenset({"id", "type", "index", "function", "custom"})  # `index` is left over from a stream
_FUNCTION_KEYS = frozenset({"name", "arguments"})
_CUSTOM_KEYS = frozenset({"name", "input"})


def read_messages(messages: list[Any]) -> tuple[_Items, list[int]]:
    """Returns the hub's items, and for each item the index of its message."""
    items: _Items = []
    rows: list[int] = []
    legacy = _LegacyCalls(items)
    for row, message in enumerate(messages):
        if type(message) is not dict:
            raise wrong_type(f"messages[{row}]", "an object", message)
        role = message.get("role")
        read = _READERS.get(role) if type(role) is str else None
        if read is None:
            raise _bad_role(row, role)
        read(message, row, items, legacy)
        while len(rows) < len(items):
            rows.append(row)
    if any(item["type"] == "custom_tool_call" for item in items):
        _retype(items)
    if legacy.duplicates:
        _drop_duplicates(items, rows, legacy.duplicates)
    return items, rows


def _drop_duplicates(items: _Items, rows: list[int], duplicates: list[int]) -> None:
    """Deletes calls that are in their message twice, unless they have as many outputs."""
    calls = Counter(item["call_id"] for item in items if item["type"] in _CALL_TYPES)
    outputs = Counter(item["call_id"] for item in items if item["type"] in _OUTPUT_TYPES)
    for position in reversed(duplicates):
        call_id = items[position]["call_id"]
        if outputs[call_id] < calls[call_id]:
            calls[call_id] -= 1
            del items[position], rows[position]


def _retype(items: _Items) -> None:
    """Gives the outputs of custom tools their own type: an output has the kind of the call before it."""
    custom: dict[str, bool] = {}
    for item in items:
        if item["type"] in _CALL_TYPES:
            custom[item["call_id"]] = item["type"] == "custom_tool_call"
        elif item["type"] == "function_call_output" and custom.get(item["call_id"]):
            item["type"] = "custom_tool_call_output"


def _bad_role(row: int, role: Any) -> Exception:
    path = f"messages[{row}].role"
    require_string(role, path)
    return invalid_value(
        path, f"Invalid value: '{role}'. Supported values are: {', '.join(map(repr, _READERS))}."
    )


def _read_plain(message: dict[str, Any], row: int, items: _Items, legacy: "_LegacyCalls") -> None:
    content = message.get("content")
    if type(content) is not str:
        content = _read_content(content, row)
    item = {"type": "message", "role": message["role"], "content": content}
    if len(message) > 2:
        unknown_fields.copy_unknown(message, _MESSAGE_KEYS, item)
    items.append(item)


def _read_tool(message: dict[str, Any], row: int, items: _Items, legacy: "_LegacyCalls") -> None:
    call_id = message.get("tool_call_id")
    if type(call_id) is not str:
        require_string(call_id, f"messages[{row}].tool_call_id")
    output = message.get("content")
    if type(output) is not str:
        output = _read_content(output, row)
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    if len(message) > 3:
        unknown_fields.copy_unknown(message, _TOOL_KEYS, item)
    items.append(item)


def _read_content(content: Any, row: int) -> Any:
    path = f"messages[{row}].content"
    if type(content) is list:
        return read_parts(content, path)
    raise missing_field(path) if content is None else wrong_type(path, "a string or an array", content)


def _read_assistant(message: dict[str, Any], row: int, items: _Items, legacy: "_LegacyCalls") -> None:
    start = len(items)
    if message.get("audio") is not None:
        path = f"messages[{row}].audio"
        raise unsupported_field(path, f"Audio in an assistant message cannot be converted. Remove '{path}'.")
    _read_reasoning(message, row, items)
    parts = _read_answer(message, row)
    if parts:
        items.append({"type": "message", "role": "assistant", "content": parts})
    calls = message.get("tool_calls")
    if calls is not None:
        first = len(items)
        _read_calls(require_array(calls, f"messages[{row}].tool_calls"), row, items)
        if len(items) > first + 1:
            legacy.duplicates += _duplicate_calls(items, first)
    if message.get("function_call") is not None:
        _read_legacy_call(message["function_call"], row, items, legacy, start)
    if len(items) > start and not _ASSISTANT_KEYS.issuperset(message):
        # The "." tells them from the fields of a call, which has a `name` too.
        unknown_fields.copy_unknown(message, _ASSISTANT_KEYS, items[start], ".")


def _read_reasoning(message: dict[str, Any], row: int, items: _Items) -> None:
    """Reads reasoning under either of its names. The item keeps the name in `field`, for losses."""
    for key in _REASONING_FIELDS:
        value = message.get(key)
        if value:
            content = [{"type": "reasoning_text", "text": require_string(value, f"messages[{row}].{key}")}]
            items.append({"type": "reasoning", "summary": [], "content": content, "field": key})
            return


def _read_answer(message: dict[str, Any], row: int) -> _Items:
    """The content parts of an assistant message; an empty list if all of them are empty."""
    content = message.get("content")
    if type(content) is str:
        parts: _Items = [{"type": "output_text", "text": content, "annotations": []}] if content else []
    elif content is None:
        parts = []
    elif type(content) is list:
        parts = read_assistant_parts(content, f"messages[{row}].content")
        if not any(part.get("text", True) for part in parts):
            parts = []
    else:
        raise wrong_type(f"messages[{row}].content", "a string or an array", content)
    refusal = message.get("refusal")
    if refusal:
        parts.append({"type": "refusal", "refusal": require_string(refusal, f"messages[{row}].refusal")})
    return parts


def _read_calls(calls: list[Any], row: int, items: _Items) -> None:
    for index, call in enumerate(calls):
        if type(call) is not dict:
            raise wrong_type(f"messages[{row}].tool_calls[{index}]", "an object", call)
        kind = call.get("type") or "function"  # some backends omit it in answers, which clients send back
        read = _CALL_READERS.get(kind) if type(kind) is str else None
        if read is None:
            path = f"messages[{row}].tool_calls[{index}].type"
            raise unsupported_field(
                path, f"Tool calls of type '{require_string(kind, path)}' are not supported."
            )
        items.append(read(call, row, index))


def _duplicate_calls(items: _Items, first: int) -> list[int]:
    """The indexes of the calls, from `first` on, that are equal to an earlier one."""
    first_calls: dict[str, dict[str, Any]] = {}
    duplicates = []
    for position in range(first, len(items)):
        earlier = first_calls.setdefault(items[position]["call_id"], items[position])
        if earlier is not items[position] and earlier == items[position]:
            duplicates.append(position)
    return duplicates


def _read_function_call(call: dict[str, Any], row: int, index: int) -> dict[str, Any]:
    value = call.get("function")
    call_id = call.get("id")
    function = value if type(value) is dict else {}
    name = function.get("name")
    arguments = _or_empty(function.get("arguments"))
    if type(call_id) is not str or type(name) is not str or type(arguments) is not str:
        raise _bad_call(call, f"messages[{row}].tool_calls[{index}]")
    item = {
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments_or_empty_object(arguments),
    }
    if not _CALL_KEYS.issuperset(call):
        unknown_fields.copy_unknown(call, _CALL_KEYS, item, f"tool_calls[{index}].")
    if not _FUNCTION_KEYS.issuperset(function):
        unknown_fields.copy_unknown(function, _FUNCTION_KEYS, item, f"tool_calls[{index}].function.")
    return item


def _or_empty(arguments: Any) -> Any:
    return "" if arguments is None else arguments


def _read_custom_call(call: dict[str, Any], row: int, index: int) -> dict[str, Any]:
    path = f"messages[{row}].tool_calls[{index}]"
    custom = require_object(call.get("custom"), f"{path}.custom")
    item = {
        "type": "custom_tool_call",
        "call_id": require_string(call.get("id"), f"{path}.id"),
        "name": require_string(custom.get("name"), f"{path}.custom.name"),
        "input": require_string(custom.get("input"), f"{path}.custom.input"),
    }
    unknown_fields.copy_unknown(call, _CALL_KEYS, item, f"tool_calls[{index}].")
    unknown_fields.copy_unknown(custom, _CUSTOM_KEYS, item, f"tool_calls[{index}].custom.")
    return item


# A deprecated `function_call` has no id. It gets a numbered one, which stays the same in a longer history.
_LEGACY_ID_PREFIX = "call_legacy_"


def _read_legacy_call(call: Any, row: int, items: _Items, legacy: "_LegacyCalls", start: int) -> None:
    """Reads a deprecated `function_call`. `start` is the index of the message's first item: one of its tool
    calls may be this call, for some clients send both forms."""
    path = f"messages[{row}].function_call"
    function = require_object(call, path)
    name = require_string(function.get("name"), f"{path}.name")
    arguments = arguments_or_empty_object(
        require_string(_or_empty(function.get("arguments")), f"{path}.arguments")
    )
    for item in items[start:]:
        if (
            item["type"] == "function_call"
            and item["name"] == name
            and same_arguments(item["arguments"], arguments)
        ):
            legacy.add_alias(name, item["call_id"])
            return
    item = {"type": "function_call", "call_id": legacy.new_id(), "name": name, "arguments": arguments}
    unknown_fields.copy_unknown(function, _FUNCTION_KEYS, item, "function_call.")
    items.append(item)


def _read_function(message: dict[str, Any], row: int, items: _Items, legacy: "_LegacyCalls") -> None:
    """Reads the output of a deprecated function, for the first call of its name that has no output yet."""
    name = require_string(message.get("name"), f"messages[{row}].name")
    call_id = legacy.waiting(name)
    if call_id is None:
        raise invalid_value(
            f"messages[{row}].name", f"No open 'function_call' of '{name}' precedes this message."
        )
    answer = {**message, "role": "tool", "tool_call_id": call_id, "content": message.get("content") or ""}
    _read_tool(answer, row, items, legacy)


class _LegacyCalls:
    """The deprecated function calls among the items so far. Scans new items when a method is called."""

    __slots__ = ("_answered", "_count", "_items", "_position", "_waiting", "duplicates")

    def __init__(self, items: _Items) -> None:
        self._items = items
        self._position = 0
        self._count = 0
        self._waiting: dict[str, deque[str]] = {}
        self._answered: set[str] = set()
        self.duplicates: list[int] = []
        """Indexes of the calls that repeat another one of their message."""

    def new_id(self) -> str:
        """Returns the id for the next call."""
        self._scan()
        return f"{_LEGACY_ID_PREFIX}{self._count}"

    def add_alias(self, name: str, call_id: str) -> None:
        """Registers a call of this name that the items have under another id."""
        self._scan()
        self._waiting.setdefault(name, deque()).append(call_id)

    def waiting(self, name: str) -> str | None:
        """The id of the first call of this name without an output, or None."""
        self._scan()
        calls = self._waiting.get(name)
        while calls and calls[0] in self._answered:
            calls.popleft()
        return calls[0] if calls else None

    def _scan(self) -> None:
        for position in range(self._position, len(self._items)):
            item = self._items[position]
            if item["type"] == "function_call" and _is_legacy(item):
                self._count += 1
                self._waiting.setdefault(item["name"], deque()).append(item["call_id"])
            elif item["type"] == "function_call_output":
                self._answered.add(item["call_id"])
        self._position = len(self._items)


def _is_legacy(item: dict[str, Any]) -> bool:
    return str(item["call_id"]).startswith(_LEGACY_ID_PREFIX)


def _bad_call(call: dict[str, Any], path: str) -> Exception:
    """Raises for the first field that is wrong; the fast path knows only that one is."""
    require_string(call.get("id"), f"{path}.id")
    function = require_object(call.get("function"), f"{path}.function")
    require_string(function.get("name"), f"{path}.function.name")
    require_string(_or_empty(function.get("arguments")), f"{path}.function.arguments")
    return invalid_value(path, f"Invalid tool call: '{path}'.")


_READERS: dict[str, Callable[[dict[str, Any], int, _Items, _LegacyCalls], None]] = {
    "system": _read_plain,
    "developer": _read_plain,
    "user": _read_plain,
    "assistant": _read_assistant,
    "tool": _read_tool,
    "function": _read_function,
}
_CALL_READERS: dict[str, Callable[[dict[str, Any], int, int], dict[str, Any]]] = {
    "function": _read_function_call,
    "custom": _read_custom_call,
}
