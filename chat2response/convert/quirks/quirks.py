"""`Quirks` describes how one Chat backend differs from others (law 11, quirks are data).

No converter checks which vendor it talks to; it reads a field of this type. `profiles.py` has one value per
known backend, and an operator may override every field (`with_overrides`). So all fields have types that JSON
has: strings, numbers, booleans, lists and objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, Literal, get_type_hints

from chat2response.wire.json import JSONError, convert_to

ReasoningField = Literal["reasoning_content", "reasoning", "reasoning_text"]
CarriedField = Literal["reasoning_details", "thinking_blocks", "extra_content"]
ReasoningEcho = Literal["with_tools", "always", "never"]
ToolChoiceKind = Literal["auto", "none", "required", "named", "allowed"]
SystemPlacement = Literal["in_place", "joined", "first_only"]
ResponseFormatType = Literal["text", "json_object", "json_schema"]
BodyFields = Mapping[str, Any]


def _empty_mapping() -> BodyFields:
    return {}


@dataclass(frozen=True, slots=True)
class Quirks:
    """What a Chat backend accepts, and how it answers. The defaults fit OpenAI's own API."""

    # -- the request ---------------------------------------------------------------------------------

    max_tokens: str = "max_completion_tokens"
    """The backend's name of the output limit."""
    usage_in_stream: bool = True
    """Whether `stream_options.include_usage` is accepted. If not, usage always comes, or never."""
    parallel_tools: bool = True
    """Whether `parallel_tool_calls` is accepted."""
    custom_tools: bool = False
    """Whether tools of type `custom` are accepted. If not, they are sent as functions."""
    moderation: bool = False
    """Whether `moderation` is accepted and performed. If not, it is a loss."""
    strict_tools: bool = True
    """Whether a function may carry `strict`."""
    mixed_strict: bool = True
    """Whether some functions may be strict and others not. If not, none is strict unless all are."""
    letter_names: bool = False
    """Whether tool names must begin with a letter or `_`."""
    tool_choices: frozenset[ToolChoiceKind] = frozenset({"auto", "none", "required", "named", "allowed"})
    """The kinds of `tool_choice` that are accepted."""
    thinking_tool_choices: frozenset[ToolChoiceKind] | None = None
    """The kinds of `tool_choice` that are accepted while the model thinks, that is, unless the body has the
    fields of `reasoning_off`. None: the same as `tool_choices`."""
    thinks_unasked: bool = True
    """Whether the model thinks if a body has the fields of neither `reasoning_on` nor `reasoning_off`."""
    response_formats: frozenset[ResponseFormatType] = frozenset({"text", "json_object", "json_schema"})
    """The types of `response_format` that are accepted."""
    allowed_fields: frozenset[str] | None = None
    """The only body fields that are sent, besides `model`, `messages`, `stream`, tools and the fields that
    other quirks name. None: all fields."""
    dropped_fields: frozenset[str] = frozenset()
    """Body fields that are never sent, because the backend refuses them."""
    renamed_fields: Mapping[str, str] = field(default_factory=_empty_mapping)
    """Body fields that have another name at this backend (`seed`: `random_seed`)."""
    extra_body: BodyFields = field(default_factory=_empty_mapping)
    """Fields that are added to every request. The client's own values win."""

    # -- messages ------------------------------------------------------------------------------------

    developer_role: bool = True
    """Whether the role `developer` is accepted. If not, it is sent as `system`."""
    system_placement: SystemPlacement = "in_place"
    """Where system messages may be. `in_place`: anywhere. `joined`: the leading ones become one message.
    `first_only`: likewise, and each later one becomes a marked user message in the same position."""
    assistant_after_tools: str = ""
    """The text of an assistant message that is inserted between a tool message and a user or system message,
    for backends that require one there. Empty: none is inserted."""
    video: bool = False
    """Whether parts of type `video_url` are accepted. If not, a video is an error."""
    flatten_content: bool = False
    """Whether content with only text parts is sent as one string, with a blank line between the parts."""
    message_names: bool = True
    """Whether a message may have a `name`."""
    max_call_id: int = 0
    """The maximum length of a `tool_call_id`, in characters. 0: any length."""
    call_id_form: str = ""
    """A regular expression that a whole `tool_call_id` must match. Empty: any text."""

    # -- reasoning on, off, and how much -------------------------------------------------------------

    effort_field: str = "reasoning_effort"
    """The path of the effort, with dots (`reasoning.effort`). Empty: the backend has no levels of effort."""
    effort_values: Mapping[str, str] = field(default_factory=_empty_mapping)
    """The backend's names for efforts (`xhigh`: `high`). Efforts that are not listed pass unchanged."""
    reasoning_on: BodyFields = field(default_factory=_empty_mapping)
    """Fields that switch reasoning on. Sent with every effort except `none`."""
    reasoning_off: BodyFields = field(default_factory=_empty_mapping)
    """Fields that switch reasoning off, sent instead of the effort `none`. Empty: `none` is sent."""

    # -- reasoning in the answer ---------------------------------------------------------------------

    reasoning_in: tuple[ReasoningField, ...] = ("reasoning_content", "reasoning", "reasoning_text")
    """Fields of a message or delta that hold reasoning. The first one with text is used."""
    think_tags: tuple[tuple[str, str], ...] = ()
    """Pairs of tags (`<think>`, `</think>`) around reasoning at the start of the content."""
    cumulative_details: bool = False
    """Whether each delta of `reasoning_details` may repeat all text so far. The stream shows if it does."""
    think_open: bool = False
    """Whether an answer begins inside the tag, because the chat template writes the opening one."""
    carried: frozenset[CarriedField] = frozenset()
    """Fields of a message (signatures, encrypted reasoning) that are sealed and sent back unchanged."""

    # -- reasoning in the history --------------------------------------------------------------------

    reasoning_echo: ReasoningEcho = "with_tools"
    """Which assistant messages of the history get their reasoning back: with tool calls, all, or none."""
    reasoning_required: bool = False
    """Whether the backend refuses a tool call without its reasoning, even one of an earlier turn."""
    reasoning_field: str = "reasoning_content"
    """The field that carries the reasoning back, if `reasoning_form` is `field`."""
    reasoning_form: Literal["field", "thinking_part", "think_tags"] = "field"
    """How reasoning is sent back: in its own field, or before the content as a `thinking` part or in tags."""
    missing_signature: str = ""
    """Gemini's placeholder for a call whose `thought_signature` is unknown. Empty: none is sent."""

    # -- the end of the answer -----------------------------------------------------------------------

    finish_reasons: Mapping[str, str] = field(default_factory=_empty_mapping)
    """OpenAI's names for the backend's own `finish_reason`s (`halted`: `stop`), where the gateway does not
    know them or maps them differently."""

    # -- usage ---------------------------------------------------------------------------------------

    cached_tokens: tuple[str, ...] = (
        "prompt_tokens_details.cached_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
    )
    """Fields with the number of cached input tokens, as dotted paths. The first nonzero one is used."""
    completion_tokens: Literal["by_total", "with_reasoning", "without_reasoning"] = "by_total"
    """Whether `completion_tokens` includes reasoning tokens. `by_total`: `total_tokens` decides."""


OPENAI_COMPATIBLE = Quirks()


class QuirksError(ValueError):
    """An invalid quirk or profile name. The message says what to write instead."""


def with_overrides(quirks: Quirks, overrides: Mapping[str, Any]) -> Quirks:
    """Returns `quirks` with the fields of a JSON object replaced. Raises QuirksError."""
    types = _field_types()
    values: dict[str, Any] = {}
    for name, value in overrides.items():
        if name not in types:
            from difflib import get_close_matches  # imported only for an error

            close_matches = get_close_matches(name, types, n=1, cutoff=0.0)
            raise QuirksError(f"Unknown quirk: {name!r}. Did you mean {close_matches[0]!r}?")
        try:
            values[name] = convert_to(value, types[name])
        except JSONError as error:
            raise QuirksError(f"{name!r}: {error}.") from None
    return replace(quirks, **values)


@cache
def _field_types() -> dict[str, Any]:
    hints = get_type_hints(Quirks)
    return {each.name: hints[each.name] for each in fields(Quirks)}
