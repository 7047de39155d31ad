"""Adds a hint to an error when the refused value has the form of the other API.

The two APIs are easily confused one level down: in a tool, a part, an item. There, naming the missing field
does not help, but showing the right form does. Only refused requests are searched.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chat2response.errors import InvalidRequest

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_Value = Mapping[str, Any]
_Rule = tuple[Callable[[_Value], bool], str]


def add_hint(error: InvalidRequest, body: _Value, dialect: str) -> None:
    """Adds a sentence to `error` if its value, or one around it, has the form of the other API.

    `body`: the client's request body; `dialect`: the API it was sent to.
    """
    for value in _around(body, error.param or ""):
        for applies, hint in _RULES.get(dialect, ()):
            if applies(value):
                error.message = f"{error.message.rstrip('.')}. {hint}"
                error.args = (error.message,)
                return


def _around(body: _Value, path: str) -> Iterator[_Value]:
    """The objects along a path, the innermost first, without the body itself."""
    objects: list[_Value] = []
    value: Any = body
    for index, name in _STEP.findall(path):
        if index and type(value) is list and int(index) < len(value):
            value = value[int(index)]
        elif name and type(value) is dict:
            value = value.get(name)
        else:
            break
        if type(value) is dict:
            objects.append(value)
    return reversed(objects)


def _typed(*kinds: str) -> Callable[[_Value], bool]:
    return lambda value: value.get("type") in kinds


def _has(name: str, kind: type, *kinds: str) -> Callable[[_Value], bool]:
    """Matches an object of one of these types (none: any) whose field `name` is of `kind`."""
    return lambda value: type(value.get(name)) is kind and (not kinds or value.get("type") in kinds)


_ITEMS = frozenset({"reasoning", "item_reference", "compaction", "web_search_call", "file_search_call"})

_RULES: dict[str, tuple[_Rule, ...]] = {
    "responses": (
        (
            _has("function", dict, "function"),
            (
                "This is the Chat Completions form. In Responses, write it without a 'function' object: "
                '{"type": "function", "name": "...", ...}.'
            ),
        ),
        (
            _has("json_schema", dict, "json_schema"),
            (
                "This is the Chat Completions form. In Responses, write it without a 'json_schema' object: "
                '{"type": "json_schema", "name": "...", "schema": {...}}.'
            ),
        ),
        (
            _typed("image_url"),
            (
                "This is a Chat Completions part. In Responses, write "
                '{"type": "input_image", "image_url": "https://..."}.'
            ),
        ),
        (
            _has("file", dict, "file"),
            (
                "This is a Chat Completions part. In Responses, write "
                '{"type": "input_file", "file_data": "..."}.'
            ),
        ),
        (
            _has("tool_calls", list),
            (
                "'tool_calls' belongs to Chat Completions. In Responses, each call is an item: "
                '{"type": "function_call", "call_id": "...", "name": "...", "arguments": "..."}.'
            ),
        ),
        (
            lambda value: value.get("role") == "tool",
            (
                "This is a Chat Completions message. In Responses, write "
                '{"type": "function_call_output", "call_id": "...", "output": "..."}.'
            ),
        ),
    ),
    "chat": (
        (
            lambda value: value.get("type") == "function" and "function" not in value and "name" in value,
            (
                "This is the Responses form. In Chat Completions, write it with a 'function' object: "
                '{"type": "function", "function": {"name": "...", ...}}.'
            ),
        ),
        (
            lambda value: value.get("type") == "json_schema" and "json_schema" not in value,
            (
                "This is the Responses form. In Chat Completions, write it with a 'json_schema' object: "
                '{"type": "json_schema", "json_schema": {"name": "...", "schema": {...}}}.'
            ),
        ),
        (
            _has("image_url", str, "image_url"),
            (
                "This is the Responses form. In Chat Completions, 'image_url' is an object: "
                '{"type": "image_url", "image_url": {"url": "https://..."}}.'
            ),
        ),
        (
            _typed("function_call", "custom_tool_call"),
            (
                "This is a Responses item. In Chat Completions, calls are part of the assistant message: "
                '{"role": "assistant", "tool_calls": [{"id": "...", "type": "function", "function": {...}}]}.'
            ),
        ),
        (
            _typed("function_call_output", "custom_tool_call_output"),
            (
                "This is a Responses item. In Chat Completions, write "
                '{"role": "tool", "tool_call_id": "...", "content": "..."}.'
            ),
        ),
        (
            lambda value: type(value.get("type")) is str and value["type"] in _ITEMS and "role" not in value,
            (
                "This is a Responses item, which Chat Completions does not have. Send Responses requests to "
                "/v1/responses, or to /convert?to=chat."
            ),
        ),
    ),
}
