"""`DemoRequest`: the few parts of a request that the demo model acts on.

The demo stores and samples nothing. Fields that would change its answer and are not supported are rejected.
Fields without effect on a constant answer (`temperature`, `seed`) are accepted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from chat2response.convert.dialects.chat.history.tool_outputs import OUTPUTS, output_content
from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.dialects.chat.tools.tool_choice import write_tool_choice
from chat2response.convert.dialects.chat.tools.tool_definitions import tool_parameters
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE
from chat2response.convert.validation import (
    invalid_value,
    missing_field,
    require_array,
    require_integer,
    require_object,
    require_objects,
    require_string,
    unsupported_field,
)
from chat2response.convert.writer.stop_strings import read_stop_strings

_STATE_FIELDS = ("background", "conversation", "previous_response_id", "prompt")
_CHAT_FIELDS = ("audio", "logit_bias")
_Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Function:
    """A callable tool, under its Chat name; `path`: the client's path of its parameters."""

    name: str
    parameters: Any
    path: str


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """A parsed request."""

    model: str
    user_text: str
    """The last user message; each part that is not text stands as `[its type]`."""
    tool_outputs: tuple[str, ...]
    """The tool outputs at the end of the conversation."""
    tools: ToolMap
    functions: tuple[Function, ...]
    """The tools that may be called."""
    must_call: bool
    parallel: bool
    limit: int | None
    """The maximum of words in the answer."""
    format: Mapping[str, Any]
    """`text.format`."""
    schema_path: str
    stops: tuple[str, ...]
    logprobs: bool
    alternatives: bool
    """Whether the client requests the top log probabilities."""
    word_count: int
    """The words of the whole conversation."""

    @classmethod
    def of(cls, hub: HubRequest, losses: Losses) -> "DemoRequest":
        """Reads a request. Raises InvalidRequest with the client's own path."""
        _refuse(hub)
        body: Mapping[str, Any] = hub.body
        items = _items(hub)
        tools = ToolMap.of(hub, OPENAI_COMPATIBLE)
        for path, effect in tools.dropped_tools.items():
            losses.add("web_search_options" if hub.dialect == "chat" else path, f"dropped: {effect}")
        choice = body.get("tool_choice")
        if choice is not None:
            choice = write_tool_choice(choice, tools, losses)
        functions, must_call = _choose(choice, _functions(hub, tools))
        format, path = _format(hub)
        instructions = body.get("instructions") or ""
        return cls(
            model=require_string(body.get("model"), "model"),
            user_text=next(
                (_text(item.get("content")) for item in reversed(items) if item.get("role") == "user"), ""
            ),
            tool_outputs=_outputs(hub, items, tools),
            tools=tools,
            functions=functions,
            must_call=must_call,
            parallel=body.get("parallel_tool_calls") is not False,
            limit=_limit(hub),
            format=format,
            schema_path=path,
            stops=read_stop_strings(hub),
            logprobs=LOGPROBS in (body.get("include") or ()),
            alternatives=bool(body.get("top_logprobs")),
            word_count=len(instructions.split()) + sum(len(_all_text(item).split()) for item in items),
        )


def _refuse(hub: HubRequest) -> None:
    """Rejects what only a real upstream supports."""
    body: Mapping[str, Any] = hub.body
    refused = [name for name in _STATE_FIELDS if body.get(name)] + [
        name for name in _CHAT_FIELDS if hub.extra.get(name)
    ]
    if require_integer(hub.extra.get("n", 1), "n") != 1:
        refused.append("n")
    if any(each != "text" for each in require_array(hub.extra.get("modalities", []), "modalities")):
        refused.append("modalities")
    if refused:
        raise unsupported_field(refused[0], f"The demo upstream does not support '{refused[0]}'.")


def _items(hub: HubRequest) -> Sequence[_Item]:
    name = hub.field("input")
    value = hub.body.get("input")
    if value is None:
        raise missing_field(name)
    items = [{"role": "user", "content": value}] if type(value) is str else require_objects(value, name)
    if not items:
        raise invalid_value(name, f"Invalid '{name}': it is empty. Send at least one message.")
    for index, item in enumerate(items):
        if item.get("type") == "item_reference":
            path = hub.item_path(index)
            raise unsupported_field(path, "The demo upstream stores no items. Send the item itself.")
    return items


def _outputs(hub: HubRequest, items: Sequence[_Item], tools: ToolMap) -> tuple[str, ...]:
    """The outputs at the very end, in their order."""
    outputs: list[str] = []
    for index in range(len(items) - 1, -1, -1):
        kind = items[index].get("type")
        if type(kind) is not str or kind not in OUTPUTS:
            break
        outputs.append(_text(output_content(items[index], hub.item_path(index), tools)))
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


def _functions(hub: HubRequest, tools: ToolMap) -> tuple[Function, ...]:
    """The callable tools, each as a function."""
    prefix = ".function" if hub.dialect == "chat" else ""
    return tuple(
        Function(tool.sent_name, tool_parameters(tool), f"{tool.path}{prefix}.parameters")
        for tool in tools.by_key.values()
    )


def _choose(choice: Any, functions: tuple[Function, ...]) -> tuple[tuple[Function, ...], bool]:
    """The functions that may be called, and whether one must be; `choice` is in the Chat form."""
    if choice is None or type(choice) is str:
        if choice not in (None, "auto", "none", "required"):
            raise invalid_value(
                "tool_choice", "Invalid 'tool_choice': expected 'auto', 'none' or 'required'."
            )
        return () if choice == "none" else functions, choice == "required"
    if choice["type"] == "allowed_tools":
        allowed = choice["allowed_tools"]
        names = {tool["function"]["name"] for tool in allowed["tools"]}
        return _choose(allowed["mode"], tuple(each for each in functions if each.name in names))
    return tuple(each for each in functions if each.name == choice["function"]["name"]), True


def _format(hub: HubRequest) -> tuple[Mapping[str, Any], str]:
    """`text.format`, and the client's path of the schema in it."""
    path = hub.field("text.format")
    format = require_object(hub.body.get("text") or {}, "text").get("format") or {"type": "text"}
    kind = require_string(require_object(format, path).get("type"), f"{path}.type")
    if kind not in ("text", "json_object", "json_schema"):
        raise invalid_value(f"{path}.type", f"Invalid '{path}.type': there is no format '{kind}'.")
    schema_path = f"{path}.json_schema.schema" if hub.dialect == "chat" else f"{path}.schema"
    return cast(Mapping[str, Any], format), schema_path


def _limit(hub: HubRequest) -> int | None:
    limit = hub.body.get("max_output_tokens")
    if limit is not None and limit < 1:
        name = hub.field("max_output_tokens")
        raise invalid_value(name, f"Invalid '{name}': expected a value >= 1, but got {limit}.")
    return limit
