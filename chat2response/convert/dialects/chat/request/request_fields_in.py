"""The fields of a Chat request on their way into the hub, one reader each."""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.tools.tool_choice import read_tool_choice
from chat2response.convert.dialects.chat.tools.tool_definitions import (
    read_format,
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
"""(value, name, the hub's body, the hub's extra); the value is not null."""

LOGPROBS = "message.output_text.logprobs"  # the value of `include` that asks for them


def _keep(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    body[name] = value


def keep_apart(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    extra[name] = value


def _read_apart(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    """`read_request` reads this field in its turn."""


def _checked(check: Callable[[Any, str], Any]) -> _Read:
    def keep(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
        body[name] = check(value, name)

    return keep


def _within(outer: str, inner: str, read: Callable[[Any, str], Any]) -> _Read:
    """A field that Responses keeps one level deeper."""

    def nest(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
        body[outer] = {**body.get(outer, {}), inner: read(value, name)}

    return nest


def _merge(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    """A Responses field that a Chat client may send too; Chat's own names for its members win."""
    body[name] = {**require_object(value, name), **body.get(name, {})}


def _include(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    body[name] = [*require_array(value, name), *body.get(name, ())]


def _logprobs(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    if require_boolean(value, name):
        body["include"] = [*body.get("include", ()), LOGPROBS]


def _tools(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    body[name] = [*read_tools(value), *body.get(name, ())]


def _functions(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    """Chat's tools of old: each is what a tool of type function has inside."""
    tools = [{"type": "function", "function": each} for each in require_objects(value, name)]
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
    """What Responses knows goes to the body; `include_usage` and the rest stay apart, for the gateway."""
    rest = dict(require_object(value, name))
    obfuscation = rest.pop("include_obfuscation", None)
    if obfuscation is not None:
        body[name] = {"include_obfuscation": obfuscation}
    rest = {key: each for key, each in rest.items() if each is not None}
    if rest:
        extra[name] = rest


def _input(value: Any, name: str, body: _Fields, extra: _Fields) -> None:
    message = (
        "A Chat Completions request has its conversation in 'messages', not in 'input'; "
        "a Responses request goes to /v1/responses, or to /convert?to=chat."
    )
    raise unsupported_field(name, message)


def _read_format(value: Any, name: str) -> dict[str, Any]:
    return read_format(value)


def _read_choice(value: Any, name: str) -> Any:
    return read_tool_choice(value)


READERS: dict[str, _Read] = {
    **dict.fromkeys(
        (
            "metadata", "moderation", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
            "safety_identifier", "service_tier", "temperature", "top_p", "user",
        ),
        _keep,
    ),
    # Responses' own fields from a Chat client, /convert's too: whoever reads the hub looks for them there.
    **dict.fromkeys(("context_management", "max_tool_calls", "prompt", "truncation"), _keep),
    "background": _checked(require_boolean),
    "conversation": _checked(require_conversation),
    "function_call": _function_call,
    "functions": _functions,
    "include": _include,
    "input": _input,
    "instructions": _checked(require_string),
    "logprobs": _logprobs,
    "max_completion_tokens": _read_apart,
    "max_output_tokens": _read_apart,
    "max_tokens": _read_apart,
    "messages": _read_apart,
    "model": _checked(require_string),
    "parallel_tool_calls": _checked(require_boolean),
    "previous_response_id": _checked(require_string),
    "reasoning": _merge,
    "reasoning_effort": _within("reasoning", "effort", require_string),
    "response_format": _within("text", "format", _read_format),
    "store": _checked(require_boolean),
    "stream": _checked(require_boolean),
    "stream_options": _stream_options,
    "text": _merge,
    "tool_choice": _checked(_read_choice),
    "tools": _tools,
    "top_logprobs": _checked(require_integer),
    "verbosity": _within("text", "verbosity", require_string),
    "web_search_options": _web_search,
}  # fmt: skip
