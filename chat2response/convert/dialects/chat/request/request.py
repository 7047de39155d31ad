"""A Chat request into the hub, and the hub's request toward a Chat upstream.

What both APIs call the same passes under its name, and so does what neither knows; the other fields have
a reader in `entering.py` and a writer in `leaving.py`.
"""

from collections.abc import Mapping
from typing import Any, cast

from chat2response.convert.dialects.chat.history.conversation import write_messages
from chat2response.convert.dialects.chat.history.message_reader import read_messages
from chat2response.convert.dialects.chat.request.apply_quirks import fit
from chat2response.convert.dialects.chat.request.configuration_update import configured
from chat2response.convert.dialects.chat.request.request_builder import WRITERS, Leaving, keep
from chat2response.convert.dialects.chat.request.request_fields_in import READERS, keep_apart
from chat2response.convert.dialects.chat.request.response_format import suit_format
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
    """The hub's request of a Chat body. Nothing is lost: what Responses cannot say is in `extra`.

    `input` is an array, and the last key. Raises InvalidRequest.
    """
    body: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in require_body(chat).items():
        if value is not None:
            READERS.get(name, keep_apart)(value, name, body, extra)
    if body.get("top_logprobs") and chat.get("logprobs") is not True:
        raise invalid_value("top_logprobs", "'top_logprobs' needs 'logprobs' to be true.")
    body.setdefault("store", False)
    legacy = bool(chat.get("functions"))
    if legacy:
        if chat.get("tools"):
            raise invalid_value("functions", "'functions' is deprecated and cannot stand beside 'tools'.")
        body.setdefault("parallel_tool_calls", False)  # a message has one `function_call`
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
    """The body for a Chat upstream; `messages` is its last key, so that a longer history extends the bytes.

    `tools`: the request's `ToolMap`, for whoever reads the answer by the same.

    What Chat cannot say is a loss or, where dropping it would change the answer's meaning, InvalidRequest.
    A stream is always asked for its usage. Raises InvalidRequest with the client's path.
    """
    hub = configured(hub)
    if tools is None:
        tools = ToolMap.of(hub, quirks, policy)
    to = Leaving(hub, losses, quirks)
    out = to.out
    for fields in (hub.body, hub.extra):
        for name, value in fields.items():
            if value is not None:
                WRITERS.get(name, keep)(to, value, name)
    if out.get("stream") is True:
        out["stream_options"] = {**out.get("stream_options", {}), "include_usage": True}
    else:
        out.pop("stream_options", None)
    out.update(write_tools(hub, tools, losses))
    told = suit_format(out, hub, losses, quirks)
    fit(out, to.effort, hub, losses, quirks)
    out["messages"] = write_messages(hub, losses, tools, policy, told)
    return cast(ChatRequest, out)


def _read_limit(chat: Mapping[str, Any], body: dict[str, Any], extra: dict[str, Any]) -> Mapping[str, str]:
    """The output limit, by the first of its names with a value; another value of another name stays apart.
    Returns the client's names of our fields."""
    found = _NAMES
    for name, names in _LIMITS.items():
        value = chat.get(name)
        if value is None:
            continue
        if found is _NAMES:
            body["max_output_tokens"], found = require_integer(value, name), names
        elif value != body["max_output_tokens"]:
            extra[name] = value
    return found


_NAMES = {
    "input": "messages",
    "reasoning.effort": "reasoning_effort",
    "text.format": "response_format",
    "text.verbosity": "verbosity",
}
_LIMITS = {
    name: {**_NAMES, "max_output_tokens": name}
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens")
}
