"""`DemoRequest`: the few parts of a Chat request that the demo model acts on.

The demo stores and samples nothing. Fields that would change its answer and are not supported are rejected.
Fields without effect on a constant answer (`temperature`, `seed`, `web_search_options`) are accepted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from chat2response.convert.dialects.chat.request.request import read_request
from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.dialects.chat.tools.tool_choice import write_tool_choice
from chat2response.convert.dialects.chat.tools.tool_map import MappedTool, ToolMap
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE
from chat2response.convert.validation import (
    invalid_value,
    require_array,
    require_boolean,
    require_integer,
    require_object,
    require_string,
    unsupported_field,
)
from chat2response.convert.writer.stop_strings import read_stop_strings

_STATE_FIELDS = ("background", "conversation", "previous_response_id", "prompt")
_CHAT_FIELDS = ("audio", "logit_bias")
_MAX_CHOICES = 128  # as at OpenAI
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_CUSTOM_INPUT = {"type": "string"}  # the schema of what a custom tool takes
_Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """A callable tool. `path`: the client's path of its parameters."""

    name: str
    parameters: Any
    path: str
    custom: bool = False
    """Whether its input is a text, not an object."""


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """A parsed request."""

    model: str
    stream: bool
    include_usage: bool
    choices: int
    """`n`."""
    user_text: str
    """The last user message; each part that is not text stands as `[its type]`."""
    tool_outputs: tuple[str, ...]
    """The tool outputs at the end of the conversation."""
    tools: tuple[Tool, ...]
    """The tools that may be called."""
    must_call: bool
    parallel: bool
    legacy: bool
    """Whether the request uses the deprecated `functions`."""
    limit: int | None
    """The maximum of words in the answer."""
    format: Mapping[str, Any]
    """`response_format`, with its schema at the top level."""
    stops: tuple[str, ...]
    logprobs: bool
    alternatives: bool
    """Whether the client requests the top log probabilities."""
    word_count: int
    """The words of the whole conversation."""

    @classmethod
    def of(cls, chat: Any) -> "DemoRequest":
        """Reads a decoded body. Raises InvalidRequest with the path of the wrong field."""
        hub = read_request(chat)
        _refuse(hub)
        body: Mapping[str, Any] = hub.body
        items: Sequence[_Item] = body["input"]
        tools, must_call = _callable_tools(hub)
        instructions = body.get("instructions") or ""
        return cls(
            model=require_string(body.get("model"), "model"),
            stream=body.get("stream") is True,
            include_usage=_includes_usage(hub),
            choices=_choices(hub),
            user_text=_user_text(items),
            tool_outputs=_outputs(items),
            tools=tools,
            must_call=must_call,
            parallel=body.get("parallel_tool_calls") is not False and not hub.legacy,
            legacy=hub.legacy,
            limit=_limit(hub),
            format=_format(hub),
            stops=read_stop_strings(hub),
            logprobs=LOGPROBS in (body.get("include") or ()),
            alternatives=bool(body.get("top_logprobs")),
            word_count=len(instructions.split()) + sum(len(_all_text(item).split()) for item in items),
        )


def _refuse(hub: HubRequest) -> None:
    """Rejects what only another upstream supports."""
    body: Mapping[str, Any] = hub.body
    refused = [name for name in _STATE_FIELDS if body.get(name)] + [
        name for name in _CHAT_FIELDS if hub.extra.get(name)
    ]
    if any(each != "text" for each in require_array(hub.extra.get("modalities", []), "modalities")):
        refused.append("modalities")
    if refused:
        raise unsupported_field(refused[0], f"The demo upstream does not support '{refused[0]}'.")


def _includes_usage(hub: HubRequest) -> bool:
    value = hub.extra.get("stream_options", {}).get("include_usage", False)
    return require_boolean(value, "stream_options.include_usage")


def _choices(hub: HubRequest) -> int:
    choices = require_integer(hub.extra.get("n", 1), "n")
    if not 1 <= choices <= _MAX_CHOICES:
        raise invalid_value(
            "n", f"Invalid 'n': expected a value from 1 to {_MAX_CHOICES}, but got {choices}."
        )
    return choices


def _limit(hub: HubRequest) -> int | None:
    limit = hub.body.get("max_output_tokens")
    if limit is not None and limit < 1:
        name = hub.field("max_output_tokens")
        raise invalid_value(name, f"Invalid '{name}': expected a value >= 1, but got {limit}.")
    return limit


def _format(hub: HubRequest) -> Mapping[str, Any]:
    path = hub.field("text.format")
    format = require_object(hub.body.get("text") or {}, "text").get("format") or {"type": "text"}
    kind = require_string(require_object(format, path).get("type"), f"{path}.type")
    if kind not in ("text", "json_object", "json_schema"):
        raise invalid_value(f"{path}.type", f"Invalid '{path}.type': there is no format '{kind}'.")
    return cast(Mapping[str, Any], format)


# -- the conversation --------------------------------------------------------------------------------


def _user_text(items: Sequence[_Item]) -> str:
    return next((_text(item.get("content")) for item in reversed(items) if item.get("role") == "user"), "")


def _outputs(items: Sequence[_Item]) -> tuple[str, ...]:
    """The outputs at the very end, in their order."""
    outputs: list[str] = []
    for item in reversed(items):
        if item.get("type") not in _OUTPUTS:
            break
        outputs.append(_text(item["output"]))
    return tuple(reversed(outputs))


def _all_text(item: _Item) -> str:
    """All text in an item, for counting."""
    return " ".join(_text(item.get(name)) for name in ("content", "output", "arguments"))


def _text(content: Any) -> str:
    if type(content) is str:
        return content
    return " ".join(_parts(content)) if type(content) is list else ""


def _parts(content: list[Any]) -> Iterator[str]:
    for part in content:
        if type(part) is dict:
            value = part.get("text", part.get("refusal"))
            yield value if type(value) is str else f"[{part.get('type')}]"


# -- tools -------------------------------------------------------------------------------------------


def _callable_tools(hub: HubRequest) -> tuple[tuple[Tool, ...], bool]:
    """The tools that may be called, and whether one must be. A web search is ignored."""
    tool_map = ToolMap.of(hub, OPENAI_COMPATIBLE)
    choice = hub.body.get("tool_choice")
    if choice is not None:
        choice = write_tool_choice(choice, tool_map, Losses())
    chosen, must_call = _choose(choice, tuple(tool_map.by_sent_name))
    mapped_tools = [mapped for mapped in tool_map.by_key.values() if mapped.sent_name in chosen]
    return tuple(_tool(mapped, legacy=hub.legacy) for mapped in mapped_tools), must_call


def _tool(mapped: MappedTool, *, legacy: bool) -> Tool:
    path = mapped.path.replace("tools", "functions") if legacy else f"{mapped.path}.function"
    if mapped.kind == "custom":
        return Tool(mapped.name, _CUSTOM_INPUT, path, custom=True)
    return Tool(mapped.name, mapped.tool.get("parameters"), f"{path}.parameters")


def _choose(choice: Any, names: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """The names that may be called, and whether one must be; `choice` names custom tools as functions."""
    if choice is None or type(choice) is str:
        if choice not in (None, "auto", "none", "required"):
            raise invalid_value(
                "tool_choice", "Invalid 'tool_choice': expected 'auto', 'none' or 'required'."
            )
        return () if choice == "none" else names, choice == "required"
    if choice["type"] == "allowed_tools":
        allowed = choice["allowed_tools"]
        return _choose(allowed["mode"], tuple(tool["function"]["name"] for tool in allowed["tools"]))
    return (choice["function"]["name"],), True
