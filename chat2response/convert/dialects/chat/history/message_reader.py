"""Messages into items. The way back, which must group, is `turns.py`.

One message at a time: an assistant's message becomes a reasoning item, a message item and one item per tool
call, in this order, each only if there is something in it. An output is of the kind of its call.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.dialects.chat.request.content_parts import read_answer_parts, read_parts
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
_PLAIN = frozenset({"type", "role", "content"})
_ASSISTANT = _PLAIN | {"refusal", "tool_calls", "reasoning_content", "reasoning", "function_call", "audio"}
_TOOL = _PLAIN | {"tool_call_id", "name"}
_CALL = frozenset({"id", "type", "index", "function", "custom"})  # `index` is left over from a stream
_FUNCTION = frozenset({"name", "arguments"})
_CUSTOM = frozenset({"name", "input"})


def read_messages(messages: list[Any]) -> tuple[_Items, list[int]]:
    """The hub's items, and for each the index of its message."""
    items: _Items = []
    rows: list[int] = []
    legacy = _Legacy(items)
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
    if legacy.twice:
        _drop_twice(items, rows, legacy.twice)
    return items, rows


def _drop_twice(items: _Items, rows: list[int], twice: list[int]) -> None:
    """Calls that their message has twice, but for those that are answered twice as well."""
    calls = Counter(item["call_id"] for item in items if item["type"] in _CALL_TYPES)
    outputs = Counter(item["call_id"] for item in items if item["type"] in _OUTPUT_TYPES)
    for at in reversed(twice):
        call_id = items[at]["call_id"]
        if outputs[call_id] < calls[call_id]:
            calls[call_id] -= 1
            del items[at], rows[at]


def _retype(items: _Items) -> None:
    """What a custom tool answered is of a type of its own: an output is of the kind of the call before it."""
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


def _read_plain(message: dict[str, Any], row: int, items: _Items, legacy: "_Legacy") -> None:
    content = message.get("content")
    if type(content) is not str:
        content = _read_content(content, row)
    item = {"type": "message", "role": message["role"], "content": content}
    if len(message) > 2:
        unknown_fields.copy_unknown(message, _PLAIN, item)
    items.append(item)


def _read_tool(message: dict[str, Any], row: int, items: _Items, legacy: "_Legacy") -> None:
    call_id = message.get("tool_call_id")
    if type(call_id) is not str:
        require_string(call_id, f"messages[{row}].tool_call_id")
    output = message.get("content")
    if type(output) is not str:
        output = _read_content(output, row)
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    if len(message) > 3:
        unknown_fields.copy_unknown(message, _TOOL, item)
    items.append(item)


def _read_content(content: Any, row: int) -> Any:
    path = f"messages[{row}].content"
    if type(content) is list:
        return read_parts(content, path)
    raise missing_field(path) if content is None else wrong_type(path, "a string or an array", content)


def _read_assistant(message: dict[str, Any], row: int, items: _Items, legacy: "_Legacy") -> None:
    start = len(items)
    if message.get("audio") is not None:
        path = f"messages[{row}].audio"
        raise unsupported_field(path, f"'{path}' cannot be converted here.")
    _read_reasoning(message, row, items)
    parts = _read_answer(message, row)
    if parts:
        items.append({"type": "message", "role": "assistant", "content": parts})
    calls = message.get("tool_calls")
    if calls is not None:
        first = len(items)
        _read_calls(require_array(calls, f"messages[{row}].tool_calls"), row, items)
        if len(items) > first + 1:
            legacy.twice += _repeated(items, first)
    if message.get("function_call") is not None:
        _read_legacy_call(message["function_call"], row, items, legacy, start)
    if len(items) > start and not _ASSISTANT.issuperset(message):
        unknown_fields.copy_unknown(message, _ASSISTANT, items[start], ".")  # a call has a `name` of its own


def _read_reasoning(message: dict[str, Any], row: int, items: _Items) -> None:
    """The field that backends agree on least; the hub keeps the client's name of it for the losses."""
    for key in ("reasoning_content", "reasoning"):
        value = message.get(key)
        if value:
            content = [{"type": "reasoning_text", "text": require_string(value, f"messages[{row}].{key}")}]
            items.append({"type": "reasoning", "summary": [], "content": content, "field": key})
            return


def _read_answer(message: dict[str, Any], row: int) -> _Items:
    """The parts of an assistant's message; none if all of them are empty."""
    content = message.get("content")
    if type(content) is str:
        parts: _Items = [{"type": "output_text", "text": content, "annotations": []}] if content else []
    elif content is None:
        parts = []
    elif type(content) is list:
        parts = read_answer_parts(content, f"messages[{row}].content")
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
        kind = call.get("type") or "function"  # left out by backends whose answers come back as history
        read = _CALLS.get(kind) if type(kind) is str else None
        if read is None:
            path = f"messages[{row}].tool_calls[{index}].type"
            raise unsupported_field(
                path, f"A tool call of type '{require_string(kind, path)}' cannot be converted here."
            )
        items.append(read(call, row, index))


def _repeated(items: _Items, first: int) -> list[int]:
    """The places of the calls that are the same as one before them, of those behind `first`."""
    met: dict[str, dict[str, Any]] = {}
    repeated = []
    for at in range(first, len(items)):
        before = met.setdefault(items[at]["call_id"], items[at])
        if before is not items[at] and before == items[at]:
            repeated.append(at)
    return repeated


def _read_function_call(call: dict[str, Any], row: int, index: int) -> dict[str, Any]:
    function = call.get("function")
    call_id = call.get("id")
    known = function if type(function) is dict else {}
    name = known.get("name")
    arguments = _or_empty(known.get("arguments"))
    if type(call_id) is not str or type(name) is not str or type(arguments) is not str:
        raise _bad_call(call, f"messages[{row}].tool_calls[{index}]")
    item = {
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments_or_empty_object(arguments),
    }
    if not _CALL.issuperset(call):
        unknown_fields.copy_unknown(call, _CALL, item, f"tool_calls[{index}].")
    if not _FUNCTION.issuperset(known):
        unknown_fields.copy_unknown(known, _FUNCTION, item, f"tool_calls[{index}].function.")
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
    unknown_fields.copy_unknown(call, _CALL, item, f"tool_calls[{index}].")
    unknown_fields.copy_unknown(custom, _CUSTOM, item, f"tool_calls[{index}].custom.")
    return item


# The deprecated form has no ids: a call gets one by its place among its like, the same in a longer history.
_LEGACY = "call_legacy_"


def _read_legacy_call(call: Any, row: int, items: _Items, legacy: "_Legacy", start: int) -> None:
    """`start`: of the message's own items, one of which may be this call: clients write it in both forms."""
    path = f"messages[{row}].function_call"
    known = require_object(call, path)
    name = require_string(known.get("name"), f"{path}.name")
    arguments = arguments_or_empty_object(
        require_string(_or_empty(known.get("arguments")), f"{path}.arguments")
    )
    for item in items[start:]:
        if (
            item["type"] == "function_call"
            and item["name"] == name
            and same_arguments(item["arguments"], arguments)
        ):
            legacy.also(name, item["call_id"])
            return
    item = {"type": "function_call", "call_id": legacy.new_id(), "name": name, "arguments": arguments}
    unknown_fields.copy_unknown(known, _FUNCTION, item, "function_call.")
    items.append(item)


def _read_function(message: dict[str, Any], row: int, items: _Items, legacy: "_Legacy") -> None:
    """What a function answered: the first call of its name that is not answered yet."""
    name = require_string(message.get("name"), f"messages[{row}].name")
    call_id = legacy.waiting(name)
    if call_id is None:
        raise invalid_value(f"messages[{row}].name", f"No 'function_call' of '{name}' waits for this answer.")
    answer = {**message, "role": "tool", "tool_call_id": call_id, "content": message.get("content") or ""}
    _read_tool(answer, row, items, legacy)


class _Legacy:
    """The calls of the deprecated form among the items so far: read on when it is asked."""

    __slots__ = ("_answered", "_items", "_made", "_read", "_waiting", "twice")

    def __init__(self, items: _Items) -> None:
        self._items = items
        self._read = 0
        self._made = 0
        self._waiting: dict[str, deque[str]] = {}
        self._answered: set[str] = set()
        self.twice: list[int] = []
        """Places of calls that repeat one of their message."""

    def new_id(self) -> str:
        """For the next call."""
        self._read_on()
        return f"{_LEGACY}{self._made}"

    def also(self, name: str, call_id: str) -> None:
        """The next call of this name is in the items under another id."""
        self._read_on()
        self._waiting.setdefault(name, deque()).append(call_id)

    def waiting(self, name: str) -> str | None:
        """The id of the first call of this name that is not answered."""
        self._read_on()
        calls = self._waiting.get(name)
        while calls and calls[0] in self._answered:
            calls.popleft()
        return calls[0] if calls else None

    def _read_on(self) -> None:
        for at in range(self._read, len(self._items)):
            item = self._items[at]
            if item["type"] == "function_call" and _is_legacy(item):
                self._made += 1
                self._waiting.setdefault(item["name"], deque()).append(item["call_id"])
            elif item["type"] == "function_call_output":
                self._answered.add(item["call_id"])
        self._read = len(self._items)


def _is_legacy(item: dict[str, Any]) -> bool:
    return str(item["call_id"]).startswith(_LEGACY)


def _bad_call(call: dict[str, Any], path: str) -> Exception:
    """Which field it is, once it is known that one is wrong."""
    require_string(call.get("id"), f"{path}.id")
    function = require_object(call.get("function"), f"{path}.function")
    require_string(function.get("name"), f"{path}.function.name")
    require_string(_or_empty(function.get("arguments")), f"{path}.function.arguments")
    return invalid_value(path, f"Invalid tool call: '{path}'.")


_READERS: dict[str, Callable[[dict[str, Any], int, _Items, _Legacy], None]] = {
    "system": _read_plain,
    "developer": _read_plain,
    "user": _read_plain,
    "assistant": _read_assistant,
    "tool": _read_tool,
    "function": _read_function,
}
_CALLS: dict[str, Callable[[dict[str, Any], int, int], dict[str, Any]]] = {
    "function": _read_function_call,
    "custom": _read_custom_call,
}
