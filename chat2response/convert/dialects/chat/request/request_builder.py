"""The fields of the hub's request on their way to a Chat upstream, one writer each.

A field that is not listed here passes under its own name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.dialects.chat.tools.tool_definitions import write_format
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.validation import require_array, require_integer, require_object, unsupported_field


@dataclass(slots=True)
class Leaving:
    """One request on its way out; `out` is the body that is made."""

    hub: HubRequest
    losses: Losses
    quirks: Quirks
    out: dict[str, Any] = field(default_factory=dict)
    effort: Any = None
    """The reasoning effort that was asked for: backends differ in how they are told."""


_Write = Callable[[Leaving, Any, str], None]


def keep(to: Leaving, value: Any, name: str) -> None:
    """Under the same name; a field that was mapped to this name wins."""
    if to.out.setdefault(name, value) != value:
        to.losses.add(name)


def _leave(to: Leaving, value: Any, name: str) -> None:
    """Not written here: the gateway's own affair, or `write_request`'s."""


def _lose(to: Leaving, value: Any, name: str) -> None:
    to.losses.add(to.hub.field(name))


def _refuse(to: Leaving, value: Any, name: str) -> None:
    if value is not False:
        path = to.hub.field(name)
        raise unsupported_field(path, f"'{path}' is not supported with a Chat Completions upstream.")


def _limit(to: Leaving, value: Any, name: str) -> None:
    theirs = to.quirks.max_tokens
    if to.out.get(theirs, value) != value:
        to.losses.add(theirs)
    to.out[theirs] = value


def _reasoning(to: Leaving, value: Any, name: str) -> None:
    """What a vendor with an object of this name knows beyond the effort passes."""
    rest = {}
    for key, each in require_object(value, name).items():
        if each is None:
            continue
        if key == "effort":
            to.effort = each
        elif key == "context":
            _context(to, each, f"{name}.{key}")
        elif key == "mode" and each != "standard":
            to.losses.add(f"{name}.{key}")
        elif key not in _REASONING:
            rest[key] = each
    if rest and to.quirks.effort_field.startswith("reasoning."):
        to.out[name] = rest
    else:
        for key in rest:
            to.losses.add(f"{name}.{key}")


def _context(to: Leaving, value: Any, path: str) -> None:
    """Which reasoning goes back is decided in `context.py`; said here is where it cannot follow."""
    if value not in ("auto", "all_turns", "current_turn"):
        to.losses.add(path)
    elif value != "auto" and to.quirks.reasoning_echo == "never":
        to.losses.add(path, "the backend gets no reasoning back")
    elif value == "current_turn" and to.quirks.reasoning_required:
        to.losses.add(path, "the backend gets that of all calls, for it refuses them without")


_REASONING = frozenset({"summary", "generate_summary", "mode"})  # how the gateway shows reasoning


def _text(to: Leaving, value: Any, name: str) -> None:
    for key, each in require_object(value, name).items():
        if each is None:
            continue
        if key == "format":
            to.out["response_format"] = write_format(each, to.hub.field("text.format"))
        elif key == "verbosity":
            to.out["verbosity"] = each
        else:
            to.losses.add(f"{name}.{key}")


def _include(to: Leaving, value: Any, name: str) -> None:
    """The other values say what of hosted tools and inputs is shown: nothing, where there are none."""
    for index, each in enumerate(require_array(value, name)):
        if each == LOGPROBS:
            to.out["logprobs"] = True
        elif type(each) is not str or each not in _INCLUDED:
            to.losses.add(f"{name}[{index}]")


_INCLUDED = frozenset(
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)


def _top_logprobs(to: Leaving, value: Any, name: str) -> None:
    """How many, for an answer that shows any: it does where `include` asks, and Chat takes it only then."""
    if require_integer(value, name) and LOGPROBS in (to.hub.body.get("include") or ()):
        to.out[name] = value


def _stream_options(to: Leaving, value: Any, name: str) -> None:
    """Obfuscation is the gateway's own; what a vendor knows beyond it passes."""
    rest = {key: each for key, each in require_object(value, name).items() if key != "include_obfuscation"}
    to.out[name] = {**to.out.get(name, {}), **rest}


def _cache_options(to: Leaving, value: Any, name: str) -> None:
    """Chat knows a mode and one lifetime."""
    kept = {}
    for key, each in require_object(value, name).items():
        if key == "mode" or (key == "ttl" and each == "30m"):
            kept[key] = each
        elif each is not None:
            to.losses.add(f"{name}.{key}")
    if kept:
        to.out[name] = kept


def _tier(to: Leaving, value: Any, name: str) -> None:
    if value == "ultrafast":
        to.losses.add(name)
    else:
        to.out[name] = value


def _moderation(to: Leaving, value: Any, name: str) -> None:
    """What nobody does must not look as if it were done: many backends take any field."""
    if to.quirks.moderation:
        to.out[name] = value
    else:
        to.losses.add(name)


def _truncation(to: Leaving, value: Any, name: str) -> None:
    if value != "disabled":
        to.losses.add(name)


def _choices(to: Leaving, value: Any, name: str) -> None:
    if require_integer(value, name) != 1:
        raise unsupported_field(name, "Only one choice can be asked for here: 'n' must be 1.")


def _messages(to: Leaving, value: Any, name: str) -> None:
    message = (
        "A Responses request has its conversation in 'input', not in 'messages'; a Chat Completions request "
        "goes to /v1/chat/completions, to /proxy, or to /convert."
    )
    raise unsupported_field(name, message)


WRITERS: dict[str, _Write] = {
    **dict.fromkeys(("client_metadata", "max_tool_calls", "metadata", "store"), _leave),
    **dict.fromkeys(("input", "instructions", "parallel_tool_calls", "tool_choice", "tools"), _leave),
    **dict.fromkeys(("access_programs", "context_management", "image"), _lose),
    **dict.fromkeys(("background", "conversation", "previous_response_id", "prompt"), _refuse),
    "include": _include,
    "max_output_tokens": _limit,
    "messages": _messages,
    "moderation": _moderation,
    "n": _choices,
    "prompt_cache_options": _cache_options,
    "reasoning": _reasoning,
    "service_tier": _tier,
    "stream_options": _stream_options,
    "text": _text,
    "top_logprobs": _top_logprobs,
    "truncation": _truncation,
}
