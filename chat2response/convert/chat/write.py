"""Writes events as a Chat stream: `chat.completion.chunk` frames, then `[DONE]`.

One role chunk first and one finish chunk last; calls are numbered from 0 whatever their `output_index`.
A failure is an `error` chunk: the SDKs raise on it, and no `finish_reason` pretends the answer is whole.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chat2response.convert import outcome, usage
from chat2response.convert.chat.response import nested_citation
from chat2response.convert.events import ARGUMENTS, REASONING, REFUSAL, SUMMARY, TEXT, Delta, Event, Kind, Stream
from chat2response.wire.ids import completion_id
from chat2response.wire.json import encode
from chat2response.wire.responses import EventDict
from chat2response.wire.sse import DONE_FRAME


class ChatEncoder:
    """Batches of events to bytes, for one choice.

    `include_usage`: the client asked for it: every chunk has a `usage` key, and one more chunk brings it.
    `reasoning_field`: the delta's key for reasoning text.
    """

    media_type = "text/event-stream"

    def __init__(
        self, *, include_usage: bool = False, logprobs: bool = False, reasoning_field: str = "reasoning_content"
    ) -> None:
        self._include_usage = include_usage
        self._logprobs = logprobs
        self._fields: dict[Kind, str] = {
            TEXT: "content",
            REFUSAL: "refusal",
            REASONING: reasoning_field,
            SUMMARY: reasoning_field,
        }
        self._calls: dict[int, int] = {}  # output_index -> index among the calls
        self._thoughts = 0  # runs of reasoning text begun, over all items
        self._head = b""
        self._tail = b"}\n\n"

    def encode(self, events: Sequence[Event]) -> bytes:
        """The chunks of a batch."""
        return b"".join([self._delta(e) if type(e) is Delta else self._event(e) for e in events])  # type: ignore[arg-type]

    # -- deltas ------------------------------------------------------------------------------------

    def _delta(self, delta: Delta) -> bytes:
        stream = delta.stream
        head = stream.head
        if head is None:
            head = stream.head = self._stream_head(stream)
        if self._logprobs and delta.logprobs:
            return self._chunk({"content": delta.text}, logprobs={"content": list(delta.logprobs), "refusal": None})
        return b"%b%b%b%b" % (head, encode(delta.text), _AFTER_CALL if stream.kind is ARGUMENTS else _AFTER, self._tail)

    def _stream_head(self, stream: Stream) -> bytes:
        """What precedes the text of every delta of this stream."""
        if stream.kind is ARGUMENTS:
            number = self._calls[stream.output_index]
            return b'%b{"index":0,"delta":{"tool_calls":[{"index":%d,"function":{"arguments":' % (self._head, number)
        field = self._fields[stream.kind]
        return b'%b{"index":0,"delta":{%b:' % (self._head, encode(field))

    # -- events ------------------------------------------------------------------------------------

    def _event(self, event: EventDict) -> bytes:
        kind = event["type"]
        if kind == "response.created":
            return self._begin(event["response"])
        if kind == "response.output_item.added" and event["item"]["type"] == "function_call":
            return self._call(event["output_index"], event["item"])
        if kind in _PART_ADDED and event["part"]["type"] in ("reasoning_text", "summary_text"):
            return self._thought()
        if kind == "response.output_text.annotation.added":
            nested = nested_citation(event["annotation"])
            return self._chunk({"annotations": [nested]}) if nested else b""
        if kind in ("response.completed", "response.incomplete"):
            return self._end(event["response"])
        if kind == "response.failed":
            return self._failed(event["response"])
        return b""

    def _begin(self, response: Mapping[str, Any]) -> bytes:
        opening = {
            "id": completion_id(response["id"]),
            "object": "chat.completion.chunk",
            "created": response["created_at"],
            "model": response["model"],
        }
        self._head = b'data: %b,"choices":[' % encode(opening)[:-1]
        self._tail = b',"usage":null}\n\n' if self._include_usage else b"}\n\n"
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _call(self, output_index: int, item: Mapping[str, Any]) -> bytes:
        number = self._calls[output_index] = len(self._calls)
        function = {"name": item["name"], "arguments": ""}
        return self._chunk(
            {"tool_calls": [{"index": number, "id": item["call_id"], "type": "function", "function": function}]}
        )

    def _thought(self) -> bytes:
        """Chat has one run of reasoning text: a blank line stands between the parts of ours."""
        self._thoughts += 1
        return self._chunk({self._fields[SUMMARY]: "\n\n"}) if self._thoughts > 1 else b""

    def _end(self, response: Mapping[str, Any]) -> bytes:
        frames = self._chunk({}, outcome.finish_reason(response))
        counts = usage.to_chat(response.get("usage"))
        if self._include_usage and counts is not None:
            frames += b'%b],"usage":%b}\n\n' % (self._head, encode(counts))
        return frames + DONE_FRAME

    def _failed(self, response: Mapping[str, Any]) -> bytes:
        error = response.get("error") or {}
        kind = "rate_limit_error" if error.get("code") == "rate_limit_exceeded" else "server_error"
        body = {"message": error.get("message"), "type": kind, "param": None, "code": error.get("code")}
        return b'data: {"error":%b}\n\n' % encode(body) + DONE_FRAME

    def _chunk(self, delta: Mapping[str, Any], finish: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
        return b"%b%b]%b" % (self._head, encode(choice), self._tail)


_PART_ADDED = ("response.content_part.added", "response.reasoning_summary_part.added")
_AFTER = b'},"finish_reason":null,"logprobs":null}]'
_AFTER_CALL = b"}}]" + _AFTER
