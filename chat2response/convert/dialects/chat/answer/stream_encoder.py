"""`ChatEncoder`: encodes events as a Chat stream: `chat.completion.chunk` frames, then `[DONE]`.

One role chunk comes first and one finish chunk last; calls are numbered from 0, whatever their
`output_index`. A failure is an `error` chunk: the SDKs raise on it, and no `finish_reason` presents the
answer as complete. The chunks add up to what `write_response` makes of the same response.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from chat2response.convert import moderation, outcome, usage
from chat2response.convert.dialects.chat.answer.whole_answer import (
    CALLS,
    SECOND_CALL,
    legacy_call,
    lost_annotation,
    lost_item,
    nested_citation,
    tool_call,
)
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.writer.events import (
    ARGUMENTS,
    INPUT,
    REASONING,
    REFUSAL,
    SUMMARY,
    TEXT,
    Delta,
    Event,
    Kind,
    Stream,
)
from chat2response.wire.ids import completion_id
from chat2response.wire.json import encode, encode_text
from chat2response.wire.responses import EventDict, Usage
from chat2response.wire.sse import DONE_FRAME


class ChatEncoder:
    """Encodes batches of events as bytes, for one choice.

    `include_usage`: the client requested usage: each chunk has a `usage` key, and one more chunk the
    numbers. `reasoning_field`: the delta's key for reasoning text. `losses`: records what Chat cannot
    express. `legacy`: writes a call as `function_call`. `choice`: its index in the stream. `sole`: it ends
    the stream; if there are several choices, whoever merges them does.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        *,
        include_usage: bool = False,
        logprobs: bool = False,
        reasoning_field: str = "reasoning_content",
        losses: Losses | None = None,
        legacy: bool = False,
        choice: int = 0,
        sole: bool = True,
    ) -> None:
        self._losses = losses if losses is not None else Losses()
        self._include_usage = include_usage
        self._legacy = legacy
        self._choice = choice
        self._sole = sole
        self._after_call = b"}" + _AFTER if legacy else _AFTER_CALL
        self._logprobs = logprobs
        self._fields: dict[Kind, str] = {
            TEXT: "content",
            REFUSAL: "refusal",
            REASONING: reasoning_field,
            SUMMARY: reasoning_field,
        }
        self._calls: dict[int, int] = {}  # output_index -> index among the calls
        self._reasoning_parts = 0  # parts of reasoning text so far, over all items
        self._raw: set[int] = set()  # output_index of the items with raw reasoning
        self._length = 0  # characters of the closed text parts
        self._progress = False
        self._head = b""
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"

    def encode(self, events: Sequence[Event]) -> bytes:
        """The chunks of a batch."""
        return b"".join([self._delta(e) if type(e) is Delta else self._event(e) for e in events])  # type: ignore[arg-type]

    # -- deltas ------------------------------------------------------------------------------------

    def _delta(self, delta: Delta) -> bytes:
        stream = delta.stream
        head = stream.head
        if not head:
            head = stream.head = self._stream_head(stream) if head is None else b""
            if not head:
                return b""
        if self._logprobs and delta.logprobs:
            return self._chunk(
                {"content": delta.text}, logprobs={"content": list(delta.logprobs), "refusal": None}
            )
        return b"%b%b%b%b" % (
            head,
            encode_text(delta.text),
            self._after_call if stream.kind in _CALL_HEADS else _AFTER,
            self._tail,
        )

    def _stream_head(self, stream: Stream) -> bytes:
        """The bytes before the text of every delta of this stream; empty if the stream is not shown."""
        if stream.kind is SUMMARY and stream.output_index in self._raw:
            return b""
        if stream.kind in _CALL_HEADS:
            number = self._calls[stream.output_index]
            if self._legacy:
                call = b'%b{"index":%d,"delta":{"function_call":{"arguments":' % (self._head, self._choice)
                return b"" if number else call
            entry = b'%b{"index":%d,"delta":{"tool_calls":[{"index":%d,' % (self._head, self._choice, number)
            return entry + _CALL_HEADS[stream.kind]
        field = self._fields[stream.kind]
        return b'%b{"index":%d,"delta":{%b:' % (self._head, self._choice, encode(field))

    # -- events ------------------------------------------------------------------------------------

    def _event(self, event: EventDict) -> bytes:
        handle = self._HANDLERS.get(event["type"])
        return handle(self, event) if handle is not None else b""

    def _begin(self, event: EventDict) -> bytes:
        response = event["response"]
        opening = {
            "id": completion_id(response["id"]),
            "object": "chat.completion.chunk",
            "created": response["created_at"],
            "model": response["model"],
        }
        self._head = b'data: %b,"choices":[' % encode(opening)[:-1]
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _keepalive(self, event: EventDict) -> bytes:
        """An empty chunk as keepalive, for each `in_progress` but the first, which follows `created`."""
        first, self._progress = not self._progress, True
        return b"" if first else self._chunk({})

    def _item(self, event: EventDict) -> bytes:
        item = event["item"]
        if item["type"] in CALLS:
            return self._call(event["output_index"], item)
        if item["type"] not in ("message", "reasoning"):
            self._losses.add(lost_item(item["type"]))
        return b""

    def _call(self, output_index: int, item: Mapping[str, Any]) -> bytes:
        number = self._calls[output_index] = len(self._calls)
        if self._legacy:
            if number:
                self._losses.add(*SECOND_CALL)
                return b""
            return self._chunk({"function_call": legacy_call(tool_call(item))})
        return self._chunk({"tool_calls": [{"index": number, **tool_call(item)}]})

    def _reasoning_part(self, event: EventDict) -> bytes:
        """Separates the parts of reasoning by a blank line, because Chat has only one text for it.

        The raw text and the summary of an item repeat each other: the raw text comes first, and is shown.
        """
        kind, index = event["part"]["type"], event["output_index"]
        if kind == "reasoning_text":
            self._raw.add(index)
        elif kind != "summary_text" or index in self._raw:
            return b""
        self._reasoning_parts += 1
        return self._chunk({self._fields[SUMMARY]: "\n\n"}) if self._reasoning_parts > 1 else b""

    def _citation(self, event: EventDict) -> bytes:
        nested = nested_citation(event["annotation"], self._length)
        if nested is None:
            self._losses.add(lost_annotation(event["annotation"]))
            return b""
        return self._chunk({"annotations": [nested]})

    def _audio(self, event: EventDict) -> bytes:
        """Records the loss: Chat streams audio in a form that this encoder does not write."""
        self._losses.add("output.audio")
        return b""

    def _text_done(self, event: EventDict) -> bytes:
        """Counts the text: Chat's text is one string, so indices in a later part continue from here."""
        self._length += len(event["text"])
        return b""

    def _end(self, event: EventDict) -> bytes:
        response = event["response"]
        finish: str = outcome.finish_reason(response, self._losses)
        if self._legacy and finish == "tool_calls":
            finish = "function_call"
        verdict = moderation.to_chat(response.get("moderation"))
        frames = self._chunk({}, finish, tier=response.get("service_tier"), verdict=verdict)
        return frames + self.end_stream(response.get("usage")) if self._sole else frames

    def end_stream(self, counts: Usage | None) -> bytes:
        """The usage chunk, if the client requested it, and `[DONE]`."""
        shown = usage.to_chat(counts) if self._include_usage else None
        if shown is None:
            return DONE_FRAME
        return b'%b],"usage":%b}\n\n' % (self._head, encode(shown)) + DONE_FRAME

    def _failed(self, event: EventDict) -> bytes:
        return (
            b'data: {"error":%b}\n\n' % encode(outcome.failure_fields(event["response"]["error"]))
            + DONE_FRAME
        )

    def _chunk(
        self,
        delta: Mapping[str, Any],
        finish: str | None = None,
        logprobs: Any = None,
        tier: str | None = None,
        verdict: Mapping[str, Any] | None = None,
    ) -> bytes:
        choice = {"index": self._choice, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
        more = b',"service_tier":%b' % encode(tier) if tier else b""
        if verdict:
            more += b',"moderation":%b' % encode(verdict)
        return b"%b%b]%b%b" % (self._head, encode(choice), more, self._tail)

    # On the class: on each encoder it would be a reference cycle, built anew for each stream.
    _HANDLERS: ClassVar[dict[str, Callable[["ChatEncoder", EventDict], bytes]]] = {
        "response.created": _begin,
        "response.in_progress": _keepalive,
        "response.output_item.added": _item,
        "response.content_part.added": _reasoning_part,
        "response.reasoning_summary_part.added": _reasoning_part,
        "response.output_text.annotation.added": _citation,
        "response.output_text.done": _text_done,
        "response.audio.delta": _audio,
        "response.audio.transcript.delta": _audio,
        "response.completed": _end,
        "response.incomplete": _end,
        "response.failed": _failed,
    }


def encoder_for(hub: HubRequest, losses: Losses, *, choice: int = 0, sole: bool = True) -> ChatEncoder:
    """The encoder with the options of the client's request."""
    options = hub.extra.get("stream_options")
    include: Any = hub.body.get("include") or ()
    return ChatEncoder(
        include_usage=type(options) is dict and options.get("include_usage") is True,
        logprobs="message.output_text.logprobs" in include,
        losses=losses,
        legacy=hub.legacy,
        choice=choice,
        sole=sole,
    )


_AFTER = b'},"finish_reason":null,"logprobs":null}]'
_CALL_HEADS = {ARGUMENTS: b'"function":{"arguments":', INPUT: b'"custom":{"input":'}
_AFTER_CALL = b"}}]" + _AFTER
