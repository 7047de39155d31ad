"""Reads the fields of a Chat request into the hub, with one reader per field."""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.tools.tool_choice import read_tool_choice
from chat2response.convert.dialects.chat.tools.tool_definitions import (
    read_response_format,
    read_tools,
    read_web_search,
)
from chat2response.convert.validation import (
    require_array,
    require_boolean,
    require_conversation,
    require_integer,
    require_object,
    require_objects,
    require_string,
    unsupported_field,
)

_Fields = dict[str, Any]
_Read = Callable[[Any, str, _Fields, _Fields], None]
"""Takes (value, name, hub body, hub extra). The value is never null."""

LOGPROBS = "message.output_text.logprobs"  # the value of `include` that requests logprobs


def _copy(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    body[name] = value


def keep_in_extra(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    """Keeps a field that Responses does not have in the hub's `extra`."""
    extra[name] = value


def _read_elsewhere(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    """Reads nothing: `read_request` itself reads this field."""


def _checked(check: Callable[[Any, str], Any]) -> _Read:
    def copy_checked(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
        body[name] = check(value, name)

    return copy_checked


def _nested(outer: str, inner: str, read: Callable[[Any, str], Any]) -> _Read:
    """Reads a field that Responses nests one level deeper."""

    def nest(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
        body[outer] = {**body.get(outer, {}), inner: read(value, name)}

    return nest


def _merge(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    """Reads a Responses field that a Chat client may send too. Chat's own names for its members win."""
    body[name] = {**require_object(value, name), **body.get(name, {})}


def _include(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    body[name] = [*require_array(value, name), *body.get(name, ())]


def _logprobs(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    if require_boolean(value, name):
        body["include"] = [*body.get("include", ()), LOGPROBS]


def _tools(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    body[name] = [*read_tools(value), *body.get(name, ())]


def _functions(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    """Reads the deprecated `functions`: each is the inner object of a function tool."""
    tools = [{"type": "function", "function": member} for member in require_objects(value, name)]
    body["tools"] = [*read_tools(tools), *body.get("tools", ())]


def _function_call(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    if type(value) is not str:
        value = {
            "type": "function",
            "name": require_string(require_object(value, name).get("name"), f"{name}.name"),
        }
    body.setdefault("tool_choice", value)


def _web_search(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    body["tools"] = [*body.get("tools", ()), read_web_search(value)]


def _stream_options(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    """Puts `include_obfuscation` into the body. `include_usage` and others go to `extra`, for the gateway."""
    other_options = dict(require_object(value, name))
    obfuscation = other_options.pop("include_obfuscation", None)
    if obfuscation is not None:
        body[name] = {"include_obfuscation": obfuscation}
    other_options = {key: member for key, member in other_options.items() if member is not None}
    if other_options:
        extra[name] = other_options


def _input(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    message = (
        "A Chat Completions request has its conversation in 'messages', not in 'input'. "
        "Send a Responses request to /v1/responses, or to /convert?to=chat."
    )
    raise unsupported_field(name, message)


def _read_format(value: Any, name: str) -> dict[str, Any]:
    return read_response_format(value)


def _read_choice(value: Any, name: str) -> Any:
    return read_tool_choice(value)


READERS: dict[str, _Read] = {
    **dict.fromkeys(
        (
            "metadata", "moderation", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
            "safety_identifier", "service_tier", "temperature", "top_p", "user",
        ),
        _copy,
    ),
    # Responses fields that a Chat client may send too (/convert takes them): the hub's readers expect them.
    **dict.fromkeys(("context_management", "max_tool_calls", "prompt", "truncation"), _copy),
    "background": _checked(require_boolean),
    "conversation": _checked(require_conversation),
    "function_call": _function_call,
    "functions": _functions,
    "include": _include,
    "input": _input,
    "instructions": _checked(require_string),
    "logprobs": _logprobs,
    "max_completion_tokens": _read_elsewhere,
    "max_output_tokens": _read_elsewhere,
    "max_tokens": _read_elsewhere,
    "messages": _read_elsewhere,
    "model": _checked(require_string),
    "parallel_tool_calls": _checked(require_boolean),
    "previous_response_id": _checked(require_string),
    "reasoning": _merge,
    "reasoning_effort": _nested("reasoning", "effort", require_string),
    "response_format": _nested("text", "format", _read_format),
    "store": _checked(require_boolean),
    "stream": _checked(require_boolean),
    "stream_options": _stream_options,
    "text": _merge,
    "tool_choice": _checked(_read_choice),
    "tools": _tools,
    "top_logprobs": _checked(require_integer),
    "verbosity": _nested("text", "verbosity", require_string),
    "web_search_options": _web_search,
}  # fmt: skip
