"""Chat Completions on the wire: a request of `messages`, a completion of `choices`, a stream of chunks.

The TypedDicts name the keys that we touch; other keys survive. `Chunk` and its parts are the stream's hot
path: read by shape, so that a delta costs about a microsecond. Their fields are typed as loosely as
backends write them (numbers as strings, lists as contents); the reader in
`convert/dialects/chat/answer/stream_reader.py` makes sense of that.
A chunk is `{id, model, choices: [{index, delta: {...}, finish_reason}], usage}`, then `data: [DONE]`.
"""

from collections.abc import Mapping
from typing import Any, Literal, Required, TypedDict

import msgspec

from chat2response.wire.json import decoder

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class ToolCall(TypedDict, total=False):
    """A call in an assistant message. `arguments` is JSON in a string, a custom tool's `input` any text."""

    id: str
    type: Literal["function", "custom"]
    function: dict[str, Any]
    custom: dict[str, Any]


class Message(TypedDict, total=False):
    """A message of a request, or the answer's."""

    role: Required[str]
    content: str | list[dict[str, Any]] | None
    refusal: str | None
    name: str
    tool_calls: list[ToolCall]
    tool_call_id: str
    reasoning_content: str
    annotations: list[dict[str, Any]]


class ChatRequest(TypedDict, total=False):
    """`POST /v1/chat/completions`. Other keys are kept."""

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
    """`choices[].delta`: what of an answer crosses to Responses, or is named as lost."""

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
    """A whole message as the one delta that says the same."""
    return DeltaShape(*map(message.get, DeltaShape.__struct_fields__))


class ChoiceShape(msgspec.Struct, gc=False):
    """`choices[]` of a chunk."""

    delta: DeltaShape | None = None
    finish_reason: Any = None
    logprobs: Any = None
    index: Any = None
    usage: Any = None
    """Moonshot's place for it."""
    message: Any = None
    """What some write in place of a delta, or beside it."""
    text: Any = None
    """The same, as the old completions had it."""


class Chunk(msgspec.Struct, gc=False):
    """`chat.completion.chunk`, or the error some backends send in its place."""

    choices: list[ChoiceShape] | None = None
    usage: Any = None
    error: Any = None
    service_tier: Any = None
    x_groq: Any = None
    """Groq's own fields, its usage among them."""
    moderation: Any = None
    citations: Any = None
    search_results: Any = None
    """Sources of a whole answer: Perplexity's places for them."""


read_chunk = decoder(Chunk)
