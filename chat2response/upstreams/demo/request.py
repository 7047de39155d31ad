"""`Ask`: what the demo model makes of a request: the few things it acts on.

It keeps nothing and samples nothing. What would change its answer and cannot be had here is refused; what
has no effect on a model that always says the same (`temperature`, `seed`) is simply true of its answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from chat2response.convert.dialects.chat.history.tool_outputs import OUTPUTS, content_of
from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.dialects.chat.tools.tool_choice import write_choice
from chat2response.convert.dialects.chat.tools.tool_definitions import parameters_of
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

_STATE = ("background", "conversation", "previous_response_id", "prompt")
_CHATS = ("audio", "logit_bias")
_Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Function:
    """A tool that may be called, by its name with Chat; `path` is the client's name of its parameters."""

    name: str
    parameters: Any
    path: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, read."""

    model: str
    said: str
    """The last user message; a part that is no text stands as `[its type]`."""
    outputs: tuple[str, ...]
    """What tools answered, where that is the newest of the conversation."""
    tools: ToolMap
    functions: tuple[Function, ...]
    """The tools that may be called."""
    must_call: bool
    parallel: bool
    limit: int | None
    """Of words in the answer."""
    format: Mapping[str, Any]
    """`text.format`."""
    schema_path: str
    stops: tuple[str, ...]
    logprobs: bool
    alternatives: bool
    """Whether the likeliest other words are wanted beside each."""
    words: int
    """In the whole conversation."""

    @classmethod
    def of(cls, hub: HubRequest, losses: Losses) -> "Ask":
        """Reads a request. Raises InvalidRequest with the client's own path."""
        _refuse(hub)
        body: Mapping[str, Any] = hub.body
        items = _items(hub)
        tools = ToolMap.of(hub, OPENAI_COMPATIBLE)
        for path, called in tools.dropped.items():
            losses.add("web_search_options" if hub.dialect == "chat" else path, f"dropped: {called}")
        choice = body.get("tool_choice")
        if choice is not None:
            choice = write_choice(choice, tools, losses)
        functions, must_call = _choose(choice, _functions(hub, tools))
        asked, path = _format(hub)
        instructions = body.get("instructions") or ""
        return cls(
            model=require_string(body.get("model"), "model"),
            said=next(
                (_text(item.get("content")) for item in reversed(items) if item.get("role") == "user"), ""
            ),
            outputs=_outputs(hub, items, tools),
            tools=tools,
            functions=functions,
            must_call=must_call,
            parallel=body.get("parallel_tool_calls") is not False,
            limit=_limit(hub),
            format=asked,
            schema_path=path,
            stops=read_stop_strings(hub),
            logprobs=LOGPROBS in (body.get("include") or ()),
            alternatives=bool(body.get("top_logprobs")),
            words=len(instructions.split()) + sum(len(_whole(item).split()) for item in items),
        )


def _refuse(hub: HubRequest) -> None:
    """What only a real upstream has."""
    body: Mapping[str, Any] = hub.body
    refused = [name for name in _STATE if body.get(name)] + [name for name in _CHATS if hub.extra.get(name)]
    if require_integer(hub.extra.get("n", 1), "n") != 1:
        refused.append("n")
    if any(each != "text" for each in require_array(hub.extra.get("modalities", []), "modalities")):
        refused.append("modalities")
    if refused:
        raise unsupported_field(refused[0], f"'{refused[0]}' cannot be had of the demo upstream.")


def _items(hub: HubRequest) -> Sequence[_Item]:
    name = hub.field("input")
    given = hub.body.get("input")
    if given is None:
        raise missing_field(name)
    items = [{"role": "user", "content": given}] if type(given) is str else require_objects(given, name)
    if not items:
        raise invalid_value(name, f"Invalid '{name}': there is nothing in it to answer.")
    for index, item in enumerate(items):
        if item.get("type") == "item_reference":
            path = hub.item_path(index)
            raise unsupported_field(path, "The demo upstream keeps no items, so none can be referred to.")
    return items


def _outputs(hub: HubRequest, items: Sequence[_Item], tools: ToolMap) -> tuple[str, ...]:
    """Those at the very end, in their order."""
    found: list[str] = []
    for index in range(len(items) - 1, -1, -1):
        kind = items[index].get("type")
        if type(kind) is not str or kind not in OUTPUTS:
            break
        found.append(_text(content_of(items[index], hub.item_path(index), tools)))
    return tuple(reversed(found))


def _whole(item: _Item) -> str:
    """All text in an item, for counting."""
    return " ".join(_text(item.get(name)) for name in ("content", "output", "arguments"))


def _text(content: Any) -> str:
    if type(content) is str:
        return content
    return " ".join(_parts(content)) if type(content) is list else ""


def _parts(content: list[Any]) -> Iterator[str]:
    for part in content:
        if type(part) is dict:
            words = part.get("text", part.get("refusal"))
            yield words if type(words) is str else f"[{part.get('type')}]"


def _functions(hub: HubRequest, tools: ToolMap) -> tuple[Function, ...]:
    """The tools that can be called, each as the function that stands in for it."""
    within = ".function" if hub.dialect == "chat" else ""
    return tuple(
        Function(bound.sent, parameters_of(bound), f"{bound.path}{within}.parameters")
        for bound in tools.bound.values()
    )


def _choose(choice: Any, functions: tuple[Function, ...]) -> tuple[tuple[Function, ...], bool]:
    """Which of them may be called, and whether one must be; `choice` as Chat writes it."""
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
    asked = require_object(hub.body.get("text") or {}, "text").get("format") or {"type": "text"}
    kind = require_string(require_object(asked, path).get("type"), f"{path}.type")
    if kind not in ("text", "json_object", "json_schema"):
        raise invalid_value(f"{path}.type", f"Invalid '{path}.type': there is no format '{kind}'.")
    inner = f"{path}.json_schema.schema" if hub.dialect == "chat" else f"{path}.schema"
    return cast(Mapping[str, Any], asked), inner


def _limit(hub: HubRequest) -> int | None:
    limit = hub.body.get("max_output_tokens")
    if limit is not None and limit < 1:
        name = hub.field("max_output_tokens")
        raise invalid_value(name, f"Invalid '{name}': expected a value >= 1, but got {limit}.")
    return limit
