"""Taps: read a copy of a relayed stream and change nothing.

A tap learns enough to end the stream if the upstream does not: a response's id, its output so far and its
next sequence number, or whether a Chat answer has its finish_reason. Frames are searched rather than parsed;
only the relevant ones are decoded.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any, Protocol

from chat2response.convert.client_profiles import make_error_event
from chat2response.convert.errors.upstream_errors import read_upstream_error
from chat2response.convert.outcome import from_finish_reason, response_error
from chat2response.convert.size_limit import MAX_OUTPUT, weigh_json
from chat2response.convert.usage import from_chat, has_counts, read
from chat2response.engine.answer_ids import container_ids, owned_ids
from chat2response.errors import BridgeError
from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode_leniently, encode
from chat2response.wire.responses import Usage
from chat2response.wire.sse import DONE, DONE_FRAME


class Tap(Protocol):
    """Reads whole frames of a stream."""

    ended: bool
    """Whether the stream has ended."""
    end: bytes
    """The payload of the event that ended the stream; later events do not belong to it."""
    usage: Usage | None
    status: str
    """The final status: completed, incomplete or failed."""
    saw_error: bool
    """Whether an error has been seen: its text may contain secrets."""

    @property
    def response_id(self) -> str | None:
        """The response's id, once it is known; None for Chat."""
        ...

    def feed(self, frames: bytes) -> Sequence[str]:
        """Reads frames before they are relayed.

        Returns the new ids in them that the upstream stores.
        """
        ...

    def withhold(self) -> None:
        """Takes back the last `feed`: its frames could not be relayed."""
        ...

    def close(self, error: BridgeError) -> bytes:
        """The bytes that end the stream; empty if it has ended.

        `error`: why the stream stopped, unless its own frames said so.
        """
        ...


_NOTABLE = re.compile(
    rb'"(?:response\.(?:created|output_item\.done|completed|incomplete|failed|cancelled)"'
    rb'|type"\s*:\s*"error"|error"\s*:\s*\{)'
)
_NUMBERED = b'"sequence_number"'
_TERMINAL_STATUS = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}


class ResponsesTap:
    """Taps a Responses stream. `stored`: the upstream stores the response, so its ids have owners.

    `sends_error_event`: the client expects an `error` event before a `response.failed`. `max_item_bytes`: the
    bytes of items that are buffered for a `response.failed` of the gateway's own; later items are missing.
    """

    def __init__(
        self, *, stored: bool, sends_error_event: bool = False, max_item_bytes: int = MAX_OUTPUT
    ) -> None:
        self._room = max_item_bytes
        self._sends_error_event = sends_error_event
        self.ended = False
        self.end = b""
        self.usage: Usage | None = None
        self.status = "failed"
        self.saw_error = False
        self._stored = stored
        self._reported: set[str] = set()
        self._response: dict[str, Any] = {}
        self._items: list[Any] = []
        self._last = b""  # the last numbered event, and the one before it
        self._before = b""
        self._error: BridgeError | None = None

    def feed(self, frames: bytes) -> Sequence[str]:
        self._before = self._last
        if (at := frames.rfind(_NUMBERED)) >= 0:
            self._last = _event_at(frames, at)
        new_ids: list[str] = []
        for data in sse.payloads_with(_NOTABLE, frames.removeprefix(BOM_UTF8)):
            new_ids += self._read_event(data)
        return new_ids

    @property
    def response_id(self) -> str | None:
        value = self._response.get("id")
        return value if type(value) is str else None

    def withhold(self) -> None:
        self.ended = False
        self._last = self._before

    def close(self, error: BridgeError) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        self.status = "failed"
        failed = {
            **self._response,
            "status": "failed",
            "error": response_error(self._error or error),
            "output": self._items,
        }
        number, events = self._next_number(), []
        if self._sends_error_event:
            events.append(make_error_event(failed["error"], number))
            number += 1
        events.append({"type": "response.failed", "sequence_number": number, "response": failed})
        frames = [b"event: %b\ndata: %b\n\n" % (each["type"].encode(), encode(each)) for each in events]
        return b"".join(frames) + DONE_FRAME

    def _next_number(self) -> int:
        numbers = [_object(data).get("sequence_number") for data in _payloads(self._last)]
        return max((number for number in numbers if type(number) is int), default=-1) + 1

    def _read_event(self, data: bytes) -> list[str]:
        if self.ended:  # late events are not relayed
            return []
        event = _object(data)
        kind = event.get("type")
        if kind is not None and type(kind) is not str:
            return []
        response = event.get("response")
        if type(response) is dict:
            new_ids = self._read_response(kind, response)
            if self.ended:
                self.end = data
            return new_ids
        if kind == "response.output_item.done":
            item = event.get("item")
            self._room -= weigh_json(data, len(data))
            if self._room >= 0:
                self._items.append(item)
            return self._unreported(container_ids(item)) if type(item) is dict else []
        if kind == "error" or (kind is None and event.get("error")):
            self._error = read_upstream_error(event)  # not the end: a response.failed follows it
            self.saw_error = True
        return []

    def _read_response(self, kind: Any, response: dict[str, Any]) -> list[str]:
        if kind == "response.created":
            self._response = response
        elif kind in _TERMINAL_STATUS or kind == "response.cancelled":
            self.ended = True
            self.status = _TERMINAL_STATUS.get(kind, "failed")
            self.saw_error = self.saw_error or self.status == "failed"
            self.usage = read(response.get("usage"))
        else:
            return []
        return self._unreported(owned_ids(response, stored=self._stored))

    def _unreported(self, ids: list[str]) -> list[str]:
        unreported = [each for each in dict.fromkeys(ids) if each not in self._reported]
        self._reported.update(unreported)
        return unreported


# Some backends send "" as finish_reason in place of null.
# There is one pattern per key: each starts with a long literal, which makes the search fast.
_CHAT_NOTABLE = (
    (b'"finish_reason"', re.compile(rb'"finish_reason"\s*:\s*"[^"]')),
    (b'"usage"', re.compile(rb'"usage"\s*:\s*\{')),
    (b'"error"', re.compile(rb'"error"\s*:\s*[{"]')),
)


class ChatTap:
    """Taps a Chat stream. `choices`: the requested number; each choice ends with a finish_reason."""

    end = DONE

    def __init__(self, *, stored: bool, choices: int = 1) -> None:
        self.ended = False
        self.usage: Usage | None = None
        self.status = "failed"
        self.saw_error = False
        self._choices = choices
        self._finished: set[Any] = set()
        self._failed = False  # an error came in place of a chunk
        self._needs_id = stored  # whether its id has yet to be returned

    def feed(self, frames: bytes) -> Sequence[str]:
        if DONE in frames and (at := _done_at(frames)) >= 0:
            self.ended = True
            frames = frames[:at]
        for key, pattern in _CHAT_NOTABLE:
            if key in frames:
                for data in sse.payloads_with(pattern, frames.removeprefix(BOM_UTF8)):
                    self._read_event(_object(data))
        return self._chat_id(frames) if self._needs_id else ()

    @property
    def response_id(self) -> str | None:
        return None

    def withhold(self) -> None:
        """Only the first chunk has a new id, so nothing has been relayed yet."""
        self.ended = self._failed = False
        self._finished.clear()

    def close(self, error: BridgeError) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        if self._failed or len(self._finished) >= self._choices:
            return DONE_FRAME
        self.status = "failed"
        return b'data: {"error":%b}\n\n' % encode(error.fields()) + DONE_FRAME

    def _chat_id(self, frames: bytes) -> Sequence[str]:
        for data in _payloads(frames):
            chat_id = _object(data).get("id")
            if type(chat_id) is str and chat_id:
                self._needs_id = False
                return (chat_id,)
        return ()

    def _read_event(self, chunk: dict[str, Any]) -> None:
        usage = chunk.get("usage")
        if self.usage is None or has_counts(usage):
            self.usage = from_chat(usage)
        choices = chunk.get("choices")
        for choice in choices if type(choices) is list else ():
            finish = choice.get("finish_reason") if type(choice) is dict else None
            if type(finish) is str and finish:
                if len(self._finished) < self._choices:
                    self._finished.add(str(choice.get("index"))[:20])
                self.status = from_finish_reason(finish).status
        if chunk.get("error"):
            self._failed = self.saw_error = True
            self.status = "failed"


def _event_at(frames: bytes, offset: int) -> bytes:
    """The event at an offset; all frames, if their lines end in CR."""
    if b"\r" in frames:
        return frames
    begin, end = frames.rfind(b"\n\n", 0, offset), frames.find(b"\n\n", offset)
    return frames[begin + 2 if begin >= 0 else 0 : end if end >= 0 else len(frames)]


def _done_at(frames: bytes) -> int:
    """The offset of the line with the first `[DONE]` event, as opposed to one in the model's text; or -1."""
    at = frames.find(DONE)
    while at >= 0:
        line = max(frames.rfind(b"\n", 0, at), frames.rfind(b"\r", 0, at)) + 1
        after = frames[at + len(DONE) : at + len(DONE) + 1]
        prefix = frames[line:at].removeprefix(BOM_UTF8)
        if prefix in (b"data: ", b"data:") and after in (b"", b"\n", b"\r"):
            return line
        at = frames.find(DONE, at + len(DONE))
    return -1


def _payloads(frames: bytes) -> list[bytes]:
    """The payloads of any frames, including the first, which may start with a byte order mark."""
    return sse.payloads(frames.removeprefix(BOM_UTF8))


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = decode_leniently(data)  # leniently, as clients do: the added end must fit what they have read
    except JSONError:
        return {}
    return value if type(value) is dict else {}
