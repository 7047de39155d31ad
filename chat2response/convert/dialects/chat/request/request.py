"""Reads a Chat request into the hub, and writes a hub request for a Chat upstream.

Fields that have the same name in both APIs, and unknown fields, pass under their own name. All others have a
reader in `request_fields_in.py` and a writer in `request_builder.py`.
"""

from collections.abc import Mapping
from typing import Any, cast

from chat2response.convert.dialects.chat.history.conversation import write_messages
from chat2response.convert.dialects.chat.history.message_reader import read_messages
from chat2response.convert.dialects.chat.request.apply_quirks import apply_quirks
from chat2response.convert.dialects.chat.request.configuration_update import apply_configuration_updates
from chat2response.convert.dialects.chat.request.request_builder import WRITERS, RequestBuilder, copy_field
from chat2response.convert.dialects.chat.request.request_fields_in import READERS, keep_in_extra
from chat2response.convert.dialects.chat.request.response_format import adapt_response_format
from chat2response.convert.dialects.chat.tools.tool_definitions import write_tools
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.validation import invalid_value, require_array, require_body, require_integer
from chat2response.wire.chat import ChatRequest
from chat2response.wire.responses import ResponsesRequest


def read_request(chat: Mapping[str, Any]) -> HubRequest:
    """Reads a Chat body into a hub request. Loses nothing: `extra` keeps what Responses cannot express.

    `input` is always an array, and the last key. Raises InvalidRequest.
    """
    body: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in require_body(chat).items():
        if value is not None:
            READERS.get(name, keep_in_extra)(value, name, body, extra)
    if body.get("top_logprobs") and chat.get("logprobs") is not True:
        raise invalid_value("top_logprobs", "'top_logprobs' requires 'logprobs' to be true.")
    body.setdefault("store", False)
    legacy = bool(chat.get("functions"))
    if legacy:
        if chat.get("tools"):
            raise invalid_value("functions", "Send either 'tools' or the deprecated 'functions', not both.")
        body.setdefault("parallel_tool_calls", False)  # a legacy message holds only one `function_call`
    names = _read_limit(chat, body, extra)
    messages = require_array(chat.get("messages"), "messages")
    if not messages:
        raise invalid_value("messages", "Invalid 'messages': expected an array of at least one message.")
    body["input"], rows = read_messages(messages)
    return HubRequest(cast(ResponsesRequest, body), "chat", extra, rows, names, legacy)


def write_request(
    hub: HubRequest,
    losses: Losses,
    quirks: Quirks = OPENAI_COMPATIBLE,
    *,
    tools: ToolMap | None = None,
    policy: Policy = DEFAULT_POLICY,
) -> ChatRequest:
    """Writes the body for a Chat upstream. `messages` comes last, so that a longer history extends the bytes.

    `tools` is the request's `ToolMap`; pass it if the reader of the answer needs the same one.

    What Chat cannot express becomes a loss, or raises InvalidRequest (with the client's path) where dropping
    it would change the meaning of the answer. A stream always requests its usage.
    """
    hub = apply_configuration_updates(hub)
    if tools is None:
        tools = ToolMap.of(hub, quirks, policy)
    builder = RequestBuilder(hub, losses, quirks)
    out = builder.out
    for fields in (hub.body, hub.extra):
        for name, value in fields.items():
            if value is not None:
                WRITERS.get(name, copy_field)(builder, value, name)
    if out.get("stream") is True:
        out["stream_options"] = {**out.get("stream_options", {}), "include_usage": True}
    else:
        out.pop("stream_options", None)
    out.update(write_tools(hub, tools, losses))
    format_instruction = adapt_response_format(out, hub, losses, quirks)
    apply_quirks(out, builder.effort, hub, losses, quirks)
    out["messages"] = write_messages(hub, losses, tools, policy, format_instruction)
    return cast(ChatRequest, out)


def _read_limit(chat: Mapping[str, Any], body: dict[str, Any], extra: dict[str, Any]) -> Mapping[str, str]:
    """Reads the output limit from the first of its names that has a value; a different value under another
    name goes to `extra`. Returns the client's names of the hub's fields."""
    client_names = _CLIENT_NAMES
    for name, names in _OUTPUT_LIMITS.items():
        value = chat.get(name)
        if value is None:
            continue
        if client_names is _CLIENT_NAMES:
            body["max_output_tokens"], client_names = require_integer(value, name), names
        elif value != body["max_output_tokens"]:
            extra[name] = value
    return client_names


_CLIENT_NAMES = {
    "input": "messages",
    "reasoning.effort": "reasoning_effort",
    "text.format": "response_format",
    "text.verbosity": "verbosity",
}
_OUTPUT_LIMITS = {
    name: {**_CLIENT_NAMES, "max_output_tokens": name}
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens")
}
