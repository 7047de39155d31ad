"""Writes the fields of a hub request for a Chat upstream, with one writer per field.

A field without a writer passes under its own name.
"""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.dialects.chat.tools.tool_definitions import write_response_format
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.validation import require_array, require_integer, require_object, unsupported_field
from chat2response.wire.values import Struct, field


class RequestBuilder(Struct):
    """Builds one Chat request body, in `out`."""

    hub: HubRequest
    losses: Losses
    quirks: Quirks
    out: dict[str, Any] = field(default_factory=dict)
    effort: Any = None
    """The reasoning effort that the client requested. `apply_quirks` writes it."""


_Write = Callable[[RequestBuilder, Any, str], None]


def copy_field(builder: RequestBuilder, value: Any, name: str) -> None:
    """Copies a field under its own name. A field that is mapped to this name wins."""
    if builder.out.setdefault(name, value) != value:
        builder.losses.add(name)


def _skip(builder: RequestBuilder, value: Any, name: str) -> None:
    """Writes nothing: the gateway or `write_request` handles this field."""


def _drop(builder: RequestBuilder, value: Any, name: str) -> None:
    builder.losses.add(builder.hub.field(name))


def _reject(builder: RequestBuilder, value: Any, name: str) -> None:
    if value is not False:
        path = builder.hub.field(name)
        raise unsupported_field(path, f"A Chat Completions upstream does not support '{path}'.")


def _output_limit(builder: RequestBuilder, value: Any, name: str) -> None:
    limit_field = builder.quirks.max_tokens
    if builder.out.get(limit_field, value) != value:
        builder.losses.add(limit_field)
    builder.out[limit_field] = value


def _reasoning(builder: RequestBuilder, value: Any, name: str) -> None:
    """Keeps members beyond the effort, for vendors that have a `reasoning` object too."""
    vendor_fields = {}
    for key, member in require_object(value, name).items():
        if member is None:
            continue
        if key == "effort":
            builder.effort = member
        elif key == "context":
            _context(builder, member, f"{name}.{key}")
        elif key == "mode" and member != "standard":
            builder.losses.add(f"{name}.{key}")
        elif key not in _GATEWAY_REASONING:
            vendor_fields[key] = member
    if vendor_fields and builder.quirks.effort_field.startswith("reasoning."):
        builder.out[name] = vendor_fields
    else:
        for key in vendor_fields:
            builder.losses.add(f"{name}.{key}")


def _context(builder: RequestBuilder, value: Any, path: str) -> None:
    """Reports where the requested context cannot be followed. `history/reasoning_context.py` applies it."""
    if value not in ("auto", "all_turns", "current_turn"):
        builder.losses.add(path)
    elif value != "auto" and builder.quirks.reasoning_echo == "never":
        builder.losses.add(path, "the backend gets no reasoning back")
    elif value == "current_turn" and builder.quirks.reasoning_required:
        builder.losses.add(path, "the backend requires the reasoning of all calls")


_GATEWAY_REASONING = frozenset({"summary", "generate_summary", "mode"})  # the gateway itself applies these


def _text(builder: RequestBuilder, value: Any, name: str) -> None:
    for key, member in require_object(value, name).items():
        if member is None:
            continue
        if key == "format":
            builder.out["response_format"] = write_response_format(member, builder.hub.field("text.format"))
        elif key == "verbosity":
            builder.out["verbosity"] = member
        else:
            builder.losses.add(f"{name}.{key}")


def _include(builder: RequestBuilder, value: Any, name: str) -> None:
    """Maps logprobs. Other known values concern hosted tools and inputs, which no Chat answer shows."""
    for index, member in enumerate(require_array(value, name)):
        if member == LOGPROBS:
            builder.out["logprobs"] = True
        elif type(member) is not str or member not in _ACCEPTED_INCLUDES:
            builder.losses.add(f"{name}[{index}]")


_ACCEPTED_INCLUDES = frozenset(
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


def _top_logprobs(builder: RequestBuilder, value: Any, name: str) -> None:
    """Passes the number only where `include` requests logprobs: Chat refuses it otherwise."""
    if require_integer(value, name) and LOGPROBS in (builder.hub.body.get("include") or ()):
        builder.out[name] = value


def _stream_options(builder: RequestBuilder, value: Any, name: str) -> None:
    """Passes vendor options on. The gateway itself applies `include_obfuscation`."""
    vendor_fields = {
        key: each for key, each in require_object(value, name).items() if key != "include_obfuscation"
    }
    builder.out[name] = {**builder.out.get(name, {}), **vendor_fields}


def _cache_options(builder: RequestBuilder, value: Any, name: str) -> None:
    """Chat has the mode and a single lifetime, 30 minutes."""
    supported = {}
    for key, member in require_object(value, name).items():
        if key == "mode" or (key == "ttl" and member == "30m"):
            supported[key] = member
        elif member is not None:
            builder.losses.add(f"{name}.{key}")
    if supported:
        builder.out[name] = supported


def _service_tier(builder: RequestBuilder, value: Any, name: str) -> None:
    if value == "ultrafast":
        builder.losses.add(name)
    else:
        builder.out[name] = value


def _moderation(builder: RequestBuilder, value: Any, name: str) -> None:
    """Drops it unless the backend really moderates: many backends silently accept any field."""
    if builder.quirks.moderation:
        builder.out[name] = value
    else:
        builder.losses.add(name)


def _truncation(builder: RequestBuilder, value: Any, name: str) -> None:
    if value != "disabled":
        builder.losses.add(name)


def _choices(builder: RequestBuilder, value: Any, name: str) -> None:
    if require_integer(value, name) != 1:
        raise unsupported_field(name, "This endpoint returns a single choice. Set 'n' to 1.")


def _reject_messages(builder: RequestBuilder, value: Any, name: str) -> None:
    message = (
        "A Responses request has its conversation in 'input', not in 'messages'. Send a Chat Completions "
        "request to /v1/chat/completions, to /proxy, or to /convert."
    )
    raise unsupported_field(name, message)


WRITERS: dict[str, _Write] = {
    **dict.fromkeys(("client_metadata", "max_tool_calls", "metadata", "store"), _skip),
    **dict.fromkeys(("input", "instructions", "parallel_tool_calls", "tool_choice", "tools"), _skip),
    **dict.fromkeys(("access_programs", "context_management", "image"), _drop),
    **dict.fromkeys(("background", "conversation", "previous_response_id", "prompt"), _reject),
    "include": _include,
    "max_output_tokens": _output_limit,
    "messages": _reject_messages,
    "moderation": _moderation,
    "n": _choices,
    "prompt_cache_options": _cache_options,
    "reasoning": _reasoning,
    "service_tier": _service_tier,
    "stream_options": _stream_options,
    "text": _text,
    "top_logprobs": _top_logprobs,
    "truncation": _truncation,
}
