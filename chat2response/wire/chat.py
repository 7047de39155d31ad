"""Chat Completions on the wire: a request of `messages`, a completion of `choices`, a stream of chunks.

The TypedDicts list the keys that the gateway uses; other keys are preserved. `Chunk` and its parts are the
hot path of streams: they are decoded as structs, which takes about a microsecond per delta. Backends send any
type in their fields (numbers as strings, lists as contents), so `Any` is their type; the reader in
`convert/dialects/chat/answer/stream_reader.py` handles that.
A chunk is `{id, model, choices: [{index, delta: {...}, finish_reason}], usage}`; `data: [DONE]` is the end.
"""

from collections.abc import Mapping
from typing import Any, Literal, Required, TypedDict

import msgspec

from chat2response.wire.json import bare_decoder

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class ToolCall(TypedDict, total=False):
    """A call in an assistant message. `arguments` is JSON in a string; `input` (custom tools) is any text."""

    id: str
    type: Literal["function", "custom"]
    function: dict[str, Any]
    custom: dict[str, Any]


class Message(TypedDict, total=False):
    """A message of a request or an answer."""

    role: Required[str]
    content: str | list[dict[str, Any]] | None
    refusal: str | None
    name: str
    tool_calls: list[ToolCall]
    tool_call_id: str
    reasoning_content: str
    annotations: list[dict[str, Any]]


class ChatRequest(TypedDict, total=False):
    """The body of `POST /v1/chat/completions`. Other keys are preserved."""

    model: str
    messages: list[Message]
    max_completion_tokens: int | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    n: int | None
    stop: str | list[str] | None
    stream: bool | None
    stream_options: dict[str, Any] | None
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    parallel_tool_calls: bool | None
    response_format: dict[str, Any] | None
    reasoning_effort: str | None
    verbosity: str | None
    logprobs: bool | None
    top_logprobs: int | None
    metadata: dict[str, Any] | None
    store: bool | None
    service_tier: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None
    user: str | None


class ChatUsage(TypedDict, total=False):
    """Token counts of a completion."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]
    completion_tokens_details: dict[str, int]


class Choice(TypedDict, total=False):
    """One answer of a completion."""

    index: int
    message: Message
    finish_reason: str
    logprobs: dict[str, Any] | None


class ChatCompletion(TypedDict, total=False):
    """`chat.completion`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage
    service_tier: str | None
    system_fingerprint: str | None


class DeltaShape(msgspec.Struct, gc=False):
    """`choices[].delta`: the fields that are converted to Responses, or reported as a loss."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    reasoning_text: Any = None
    thinking_blocks: Any = None
    extra_content: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None
    annotations: Any = None
    audio: Any = None
    images: Any = None


def delta_of(message: Mapping[str, Any]) -> DeltaShape:
    """A whole message as a single delta."""
    return DeltaShape(*map(message.get, DeltaShape.__struct_fields__))


class ChoiceShape(msgspec.Struct, gc=False):
    """`choices[]` of a chunk."""

    delta: DeltaShape | None = None
    finish_reason: Any = None
    logprobs: Any = None
    index: Any = None
    usage: Any = None
    """Moonshot sends the usage here."""
    message: Any = None
    """Some backends send this instead of a delta, or in addition."""
    text: Any = None
    """The text in the form of the legacy Completions API."""


class Chunk(msgspec.Struct, gc=False):
    """`chat.completion.chunk`, or the error that some backends send instead."""

    choices: list[ChoiceShape] | None = None
    usage: Any = None
    error: Any = None
    service_tier: Any = None
    x_groq: Any = None
    """Groq's own fields, which include the usage."""
    moderation: Any = None
    citations: Any = None
    search_results: Any = None
    """Perplexity sends the sources of the whole answer in these two fields."""


read_chunk = bare_decoder(Chunk)
