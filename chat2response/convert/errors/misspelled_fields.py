"""A field that is spelled as the other API spells it, named as such in the error that it leads to.

Which API takes what is easily mixed up one level down: in a tool, a part, an item. The field that is missing
then says little; how this API writes the same says what to do. Looked for only where a request is refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chat2response.convert.hub import Dialect
from chat2response.errors import InvalidRequest

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_Value = Mapping[str, Any]
_Rule = tuple[Callable[[_Value], bool], str]


def add_hint(error: InvalidRequest, body: _Value, dialect: Dialect) -> None:
    """Adds a sentence to `error` where the value it is about, or one around it, is the other API's.

    `body`: the client's own; `dialect`: the API that it was sent to.
    """
    for value in _around(body, error.param or ""):
        for applies, words in _RULES[dialect]:
            if applies(value):
                error.message = f"{error.message.rstrip('.')}. {words}"
                error.args = (error.message,)
                return


def _around(body: _Value, path: str) -> Iterator[_Value]:
    """The objects that a path leads through, the innermost first; never the body itself."""
    found: list[_Value] = []
    value: Any = body
    for index, name in _STEP.findall(path):
        if index and type(value) is list and int(index) < len(value):
            value = value[int(index)]
        elif name and type(value) is dict:
            value = value.get(name)
        else:
            break
        if type(value) is dict:
            found.append(value)
    return reversed(found)


def _typed(*kinds: str) -> Callable[[_Value], bool]:
    return lambda value: value.get("type") in kinds


def _has(name: str, kind: type, *kinds: str) -> Callable[[_Value], bool]:
    """An object of one of these types (none: any) whose field `name` is of `kind`."""
    return lambda value: type(value.get(name)) is kind and (not kinds or value.get("type") in kinds)


_ITEMS = frozenset({"reasoning", "item_reference", "compaction", "web_search_call", "file_search_call"})

_RULES: dict[Dialect, tuple[_Rule, ...]] = {
    "responses": (
        (
            _has("function", dict, "function"),
            (
                "This is Chat Completions' form; Responses has no 'function' around it: "
                '{"type": "function", "name": "...", ...}.'
            ),
        ),
        (
            _has("json_schema", dict, "json_schema"),
            (
                "This is Chat Completions' form; Responses has no 'json_schema' around it: "
                '{"type": "json_schema", "name": "...", "schema": {...}}.'
            ),
        ),
        (
            _typed("image_url"),
            (
                "This is Chat Completions' part; Responses has "
                '{"type": "input_image", "image_url": "https://..."}.'
            ),
        ),
        (
            _has("file", dict, "file"),
            'This is Chat Completions\' part; Responses has {"type": "input_file", "file_data": "..."}.',
        ),
        (
            _has("tool_calls", list),
            (
                "'tool_calls' are Chat Completions'; Responses has an item for each call: "
                '{"type": "function_call", "call_id": "...", "name": "...", "arguments": "..."}.'
            ),
        ),
        (
            lambda value: value.get("role") == "tool",
            (
                "This is Chat Completions' message; Responses has "
                '{"type": "function_call_output", "call_id": "...", "output": "..."}.'
            ),
        ),
    ),
    "chat": (
        (
            lambda value: value.get("type") == "function" and "function" not in value and "name" in value,
            (
                "This is Responses' form; Chat Completions has 'function' around it: "
                '{"type": "function", "function": {"name": "...", ...}}.'
            ),
        ),
        (
            lambda value: value.get("type") == "json_schema" and "json_schema" not in value,
            (
                "This is Responses' form; Chat Completions has 'json_schema' around it: "
                '{"type": "json_schema", "json_schema": {"name": "...", "schema": {...}}}.'
            ),
        ),
        (
            _has("image_url", str, "image_url"),
            (
                "Responses has a text there; Chat Completions has an object: "
                '{"type": "image_url", "image_url": {"url": "https://..."}}.'
            ),
        ),
        (
            _typed("function_call", "custom_tool_call"),
            (
                "This is an item of Responses; Chat Completions has calls in the assistant's message: "
                '{"role": "assistant", "tool_calls": [{"id": "...", "type": "function", "function": {...}}]}.'
            ),
        ),
        (
            _typed("function_call_output", "custom_tool_call_output"),
            (
                "This is an item of Responses; Chat Completions has "
                '{"role": "tool", "tool_call_id": "...", "content": "..."}.'
            ),
        ),
        (
            lambda value: type(value.get("type")) is str and value["type"] in _ITEMS and "role" not in value,
            (
                "This is an item of Responses; Chat Completions has none. A Responses request goes to "
                "/v1/responses, or to /convert?to=chat."
            ),
        ),
    ),
}
