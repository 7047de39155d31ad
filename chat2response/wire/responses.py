"""The Responses API on the wire, which is also the form of the hub. Read this file first.

A *request* carries `input` items; a *response* carries `output` items. An item is a message (whose parts are
text, images, files, refusals), a reasoning item, a function call, or a call's output. The types list only the
keys that the gateway uses; every other key of a client or an upstream is preserved, in its order.

The grammar of a stream (OpenAI API reference, "Streaming events"; Open Responses 2026-04-24):

    stream    = created in_progress item* terminal
    item      = output_item.added  body  output_item.done
    body      = part*                                   (message)
              | part* summary*                          (reasoning: raw text as parts, then its summaries)
              | arguments.delta* arguments.done         (function_call)
              | input.delta* input.done                 (custom_tool_call)
              | phase*                                  (a vendor's tool: web_search_call.searching, ...)
    part      = content_part.added text.delta* annotation.added* text.done content_part.done
    summary   = summary_part.added summary_text.delta* summary_text.done summary_part.done
    terminal  = completed | incomplete | failed

- `sequence_number` counts 0, 1, 2 ... over every event of the response.
- An item has one `id` from its first event to its last, and an `output_index` of its own.
- `added` carries all that is known, with empty values for the others; every `done` carries the whole text,
  and is sent even without a delta. `created`, `in_progress` and the terminal event carry the whole
  response.
- Items follow one another; only calls may stay open beside what follows, where a model interleaves them.
- An item that was cut off is `incomplete` and the last one; of interleaved calls, several may be.
- There is exactly one terminal event. After `failed`, items that were open stay without their `done`.
- On SSE, `event:` repeats the type, and `data: [DONE]` is the last frame.
"""

from typing import Any, Literal, Required, TypedDict

import msgspec

from chat2response.wire.json import decoder

Status = Literal["in_progress", "completed", "incomplete", "failed", "cancelled", "queued"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]
RUNNING = ("queued", "in_progress")
"""The statuses of an unfinished response."""

Part = dict[str, Any]
"""`input_text`, `input_image`, `input_file`, `input_audio`; `output_text`, `refusal`; or another type."""


class Reasoning(TypedDict, total=False):
    """The client's options for a reasoning model."""

    effort: str | None
    summary: str | None
    generate_summary: str | None


class TextFormat(TypedDict, total=False):
    """`text.format`: `text`, `json_object`, or `json_schema` in its flat form."""

    type: Required[str]
    name: str
    description: str
    schema: dict[str, Any]
    strict: bool | None


class TextOptions(TypedDict, total=False):
    """The `text` field of a request."""

    format: TextFormat
    verbosity: str | None


class FunctionTool(TypedDict, total=False):
    """A function tool, in its flat form."""

    type: Required[Literal["function"]]
    name: Required[str]
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool | None


class ResponsesRequest(TypedDict, total=False):
    """The body of `POST /v1/responses`. Other keys are preserved."""

    model: str
    input: str | list[dict[str, Any]]
    instructions: str | None
    max_output_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_logprobs: int | None
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    parallel_tool_calls: bool | None
    reasoning: Reasoning | None
    text: TextOptions | None
    include: list[str] | None
    metadata: dict[str, Any] | None
    store: bool | None
    stream: bool | None
    stream_options: dict[str, Any] | None
    previous_response_id: str | None
    conversation: str | dict[str, Any] | None
    background: bool | None
    truncation: str | None
    service_tier: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None
    user: str | None


class Usage(TypedDict):
    """Token counts; `input_tokens` includes the cached ones, `output_tokens` the reasoning."""

    input_tokens: int
    input_tokens_details: dict[str, int]
    output_tokens: int
    output_tokens_details: dict[str, int]
    total_tokens: int


class Item(TypedDict, total=False):
    """An output item: `message`, `reasoning`, a call of a function or custom tool, or another type."""

    id: str
    type: Required[str]
    status: str
    role: str
    content: list[Part]
    summary: list[Part]
    encrypted_content: str | None
    call_id: str
    name: str
    arguments: str
    input: str
    namespace: str


class Response(TypedDict, total=False):
    """A response."""

    id: Required[str]
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Status
    error: dict[str, Any] | None
    incomplete_details: dict[str, Any] | None
    model: str
    output: list[dict[str, Any]]
    usage: Usage | None
    service_tier: str
    moderation: dict[str, Any] | None


class DeltaEvent(msgspec.Struct, gc=False):
    """A delta event, decoded as a struct because nearly all events are deltas. Readers check its fields."""

    type: str = ""
    delta: Any = None
    item_id: Any = None
    output_index: Any = None
    content_index: Any = None
    summary_index: Any = None
    logprobs: Any = None


read_delta = decoder(DeltaEvent)

EventDict = dict[str, Any]
"""An event with its `type` and `sequence_number`, as in JSON."""
