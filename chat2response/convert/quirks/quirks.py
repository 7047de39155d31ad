"""`Quirks`: how one Chat backend differs from the next, as data (law 11).

No converter asks which vendor it talks to: it asks a field of this type. `profiles.py` holds one value per
known backend, and an operator may override every field (`with_overrides`), so the fields are of types that
JSON can say: words, numbers, booleans, lists and objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, Literal, get_type_hints

from chat2response.wire.json import JSONError, convert_to

ReasoningIn = Literal["reasoning_content", "reasoning", "reasoning_text"]
Carried = Literal["reasoning_details", "thinking_blocks", "extra_content"]
Echo = Literal["with_tools", "always", "never"]
Choice = Literal["auto", "none", "required", "named", "allowed"]
SystemPlacement = Literal["in_place", "joined", "first_only"]
Format = Literal["text", "json_object", "json_schema"]
Fields = Mapping[str, Any]


def _none() -> Fields:
    return {}


@dataclass(frozen=True, slots=True)
class Quirks:
    """What a Chat target takes, and how it answers. The defaults suit OpenAI's own API."""

    # -- the request ---------------------------------------------------------------------------------

    max_tokens: str = "max_completion_tokens"
    """The name of the output limit."""
    usage_in_stream: bool = True
    """Whether `stream_options.include_usage` is taken; else usage comes unasked, or never."""
    parallel_tools: bool = True
    """Whether `parallel_tool_calls` is taken."""
    custom_tools: bool = False
    """Whether tools of type `custom` are taken; else they go as functions."""
    moderation: bool = False
    """Whether `moderation` is taken, and done; elsewhere it is named as lost."""
    strict_tools: bool = True
    """Whether a function may carry `strict`."""
    mixed_strict: bool = True
    """Whether some functions may be strict and others not; else none is where not all are."""
    letter_names: bool = False
    """Whether a tool's name has to begin with a letter or `_`."""
    tool_choices: frozenset[Choice] = frozenset({"auto", "none", "required", "named", "allowed"})
    """The kinds of `tool_choice` that are taken."""
    thinking_tool_choices: frozenset[Choice] | None = None
    """Those that are taken while the model thinks: unless the body has what `reasoning_off` says. None: the
    same."""
    thinks_unasked: bool = True
    """Whether the model thinks where a body says neither `reasoning_on` nor `reasoning_off`."""
    response_formats: frozenset[Format] = frozenset({"text", "json_object", "json_schema"})
    """The types of `response_format` that are taken."""
    allowed_fields: frozenset[str] | None = None
    """The only fields of a body that are sent, besides `model`, `messages`, `stream`, tools and what is named
    here. None: all."""
    dropped_fields: frozenset[str] = frozenset()
    """Fields of a body that are never sent: this backend refuses them."""
    renamed_fields: Mapping[str, str] = field(default_factory=_none)
    """A field's name with this backend, where it has another (`seed`: `random_seed`)."""
    extra_body: Fields = field(default_factory=_none)
    """Fields that every request gets; the client's own win."""

    # -- messages ------------------------------------------------------------------------------------

    developer_role: bool = True
    """Whether role `developer` is taken; else it is sent as `system`, in its place."""
    system_placement: SystemPlacement = "in_place"
    """Where system messages stand. `in_place`: each in its place. `joined`: those at the head are one.
    `first_only`: that one is the only one; a later one becomes a marked text of the user's, in its place."""
    assistant_after_tools: str = ""
    """What an assistant's message between a tool's and the next one of the user's or the system's says, for
    backends that want one there; empty: nothing is put there."""
    video: bool = False
    """Whether parts of type `video_url` are taken; else a video is an error."""
    flatten_content: bool = False
    """Whether an array of nothing but text parts is sent as one string, a blank line between the parts."""
    message_names: bool = True
    """Whether a message may carry `name`."""
    max_call_id: int = 0
    """The longest `tool_call_id` that is taken, in characters; 0: any length."""
    call_id_form: str = ""
    """A regular expression that a `tool_call_id` has to match as a whole; empty: any text."""

    # -- reasoning on, off, and how much -------------------------------------------------------------

    effort_field: str = "reasoning_effort"
    """Where the effort goes, a path with dots (`reasoning.effort`); empty: this backend knows no degrees."""
    effort_values: Mapping[str, str] = field(default_factory=_none)
    """This backend's word for an effort (`xhigh`: `high`); what is not listed passes as it is."""
    reasoning_on: Fields = field(default_factory=_none)
    """Fields that switch reasoning on; sent with every effort but `none`."""
    reasoning_off: Fields = field(default_factory=_none)
    """Fields that switch it off, in place of the effort `none`. Empty: `none` is an effort like others."""

    # -- reasoning in the answer ---------------------------------------------------------------------

    reasoning_in: tuple[ReasoningIn, ...] = ("reasoning_content", "reasoning", "reasoning_text")
    """Fields of a message or delta that hold reasoning; the first that has text counts."""
    think_tags: tuple[tuple[str, str], ...] = ()
    """Pairs of tags (`<think>`, `</think>`) that reasoning stands in at the head of the content: it is split
    off."""
    cumulative_details: bool = False
    """Whether each delta of `reasoning_details` may have all of the text so far; the stream itself tells."""
    think_open: bool = False
    """Whether an answer begins inside the tag: the chat template wrote the opening one."""
    carried: frozenset[Carried] = frozenset()
    """What of a message is kept for this backend, sealed, and comes back to it unchanged: signatures and
    encrypted reasoning."""

    # -- reasoning in the history --------------------------------------------------------------------

    reasoning_echo: Echo = "with_tools"
    """Which assistant messages of the history get their reasoning back: those with tool calls, all, none."""
    reasoning_required: bool = False
    """Whether a tool call is refused without its reasoning, also one of an earlier turn."""
    reasoning_field: str = "reasoning_content"
    """The field that carries it, where `reasoning_form` is `field`."""
    reasoning_form: Literal["field", "thinking_part", "think_tags"] = "field"
    """How: in a field of its own, as a part of type `thinking` before the content, or in tags before it."""
    missing_signature: str = ""
    """Gemini's word for a call whose `thought_signature` is not known; empty: nothing is sent."""

    # -- the end of the answer -----------------------------------------------------------------------

    finish_reasons: Mapping[str, str] = field(default_factory=_none)
    """OpenAI's word for a `finish_reason` of this backend that the gateway does not know, or knows
    otherwise (`halted`: `stop`)."""

    # -- usage ---------------------------------------------------------------------------------------

    cached_tokens: tuple[str, ...] = (
        "prompt_tokens_details.cached_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
    )
    """Where cached input tokens are counted, paths with dots; the first that is not 0 counts."""
    completion_tokens: Literal["by_total", "with_reasoning", "without_reasoning"] = "by_total"
    """Whether reasoning is counted among `completion_tokens`. `by_total`: the total tells."""


OPENAI_COMPATIBLE = Quirks()


class QuirksError(ValueError):
    """An override that cannot be taken; the text says what to write."""


def with_overrides(quirks: Quirks, overrides: Mapping[str, Any]) -> Quirks:
    """`quirks` with the fields of a JSON object in place of its own. Raises QuirksError."""
    types = _types()
    made: dict[str, Any] = {}
    for name, value in overrides.items():
        if name not in types:
            from difflib import get_close_matches  # only for a mistake

            near = get_close_matches(name, types, n=1, cutoff=0.0)
            raise QuirksError(f"{name!r} is not a quirk. Did you mean {near[0]!r}?")
        try:
            made[name] = convert_to(value, types[name])
        except JSONError as error:
            raise QuirksError(f"{name!r}: {error}.") from None
    return replace(quirks, **made)


@cache
def _types() -> dict[str, Any]:
    hints = get_type_hints(Quirks)
    return {each.name: hints[each.name] for each in fields(Quirks)}
