"""Taps: what the gateway learns from a stream that it relays. A tap reads a copy and changes nothing.

It knows enough to end the stream properly when the upstream does not: the id, the output so far and the
next sequence number of a response; whether a Chat answer had its finish_reason. Frames are searched, not
parsed; only those that matter are decoded.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any, Protocol

from chat2response.convert.client_profiles import error_event
from chat2response.convert.errors.upstream_errors import upstream_error
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
    """Fed whole frames only."""

    ended: bool
    """The stream had its end."""
    end: bytes
    """The payload of the event that ended it; what comes behind that is no part of the stream."""
    usage: Usage | None
    status: str
    """How it ended: completed, incomplete, failed."""
    erred: bool
    """The frames fed last, or some before, told of an error: an upstream's words, which may hold secrets."""

    @property
    def response_id(self) -> str | None:
        """The response's id, once it is known; a Chat answer has none."""
        ...

    def feed(self, frames: bytes) -> Sequence[str]:
        """Looks at frames that are about to be passed on.

        Returns the ids in them that the upstream has made and keeps, each told once.
        """
        ...

    def withhold(self) -> None:
        """The frames fed last could not be passed on after all."""
        ...

    def close(self, error: BridgeError) -> bytes:
        """The end that the stream lacks, as bytes to add; nothing where it had one.

        `error`: why it stopped, where its own frames did not say.
        """
        ...


_NOTABLE = re.compile(
    rb'"(?:response\.(?:created|output_item\.done|completed|incomplete|failed|cancelled)"'
    rb'|type"\s*:\s*"error"|error"\s*:\s*\{)'
)
_NUMBERED = b'"sequence_number"'
_ENDS = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}


class ResponsesTap:
    """On a Responses stream. `kept`: the upstream stores what it makes, so ids have owners.

    `error_event`: the client wants an `error` event before a `response.failed` of ours. `remembers`: the
    bytes of items that are kept for an end of ours; what comes after them passes, and is missing from it.
    """

    def __init__(self, *, kept: bool, error_event: bool = False, remembers: int = MAX_OUTPUT) -> None:
        self._room = remembers
        self._error_event = error_event
        self.ended = False
        self.end = b""
        self.usage: Usage | None = None
        self.status = "failed"
        self.erred = False
        self._kept = kept
        self._told: set[str] = set()
        self._response: dict[str, Any] = {}
        self._items: list[Any] = []
        self._last = b""  # the last event with a number, and the one before
        self._before = b""
        self._error: BridgeError | None = None

    def feed(self, frames: bytes) -> Sequence[str]:
        self._before = self._last
        if (at := frames.rfind(_NUMBERED)) >= 0:
            self._last = _event_at(frames, at)
        made: list[str] = []
        for data in sse.payloads_with(_NOTABLE, frames.removeprefix(BOM_UTF8)):
            made += self._notice(data)
        return made

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
        if self._error_event:
            events.append(error_event(failed["error"], number))
            number += 1
        events.append({"type": "response.failed", "sequence_number": number, "response": failed})
        frames = [b"event: %b\ndata: %b\n\n" % (each["type"].encode(), encode(each)) for each in events]
        return b"".join(frames) + DONE_FRAME

    def _next_number(self) -> int:
        numbers = [_object(data).get("sequence_number") for data in _payloads(self._last)]
        return max((number for number in numbers if type(number) is int), default=-1) + 1

    def _notice(self, data: bytes) -> list[str]:
        if self.ended:  # what comes behind the end does not pass
            return []
        event = _object(data)
        kind = event.get("type")
        if kind is not None and type(kind) is not str:
            return []
        response = event.get("response")
        if type(response) is dict:
            made = self._resource(kind, response)
            if self.ended:
                self.end = data
            return made
        if kind == "response.output_item.done":
            item = event.get("item")
            self._room -= weigh_json(data, len(data))
            if self._room >= 0:
                self._items.append(item)
            return self._new(container_ids(item)) if type(item) is dict else []
        if kind == "error" or (kind is None and event.get("error")):
            self._error = upstream_error(event)  # not an end: clients wait for response.failed behind it
            self.erred = True
        return []

    def _resource(self, kind: Any, response: dict[str, Any]) -> list[str]:
        if kind == "response.created":
            self._response = response
        elif kind in _ENDS or kind == "response.cancelled":
            self.ended = True
            self.status = _ENDS.get(kind, "failed")
            self.erred = self.erred or self.status == "failed"
            self.usage = read(response.get("usage"))
        else:
            return []
        return self._new(owned_ids(response, kept=self._kept))

    def _new(self, ids: list[str]) -> list[str]:
        new = [each for each in dict.fromkeys(ids) if each not in self._told]
        self._told.update(new)
        return new


# A finish_reason of "" is how some backends write null.
# One pattern for each key: each begins with a long literal, which is what makes the search fast.
_CHAT_NOTABLE = (
    (b'"finish_reason"', re.compile(rb'"finish_reason"\s*:\s*"[^"]')),
    (b'"usage"', re.compile(rb'"usage"\s*:\s*\{')),
    (b'"error"', re.compile(rb'"error"\s*:\s*[{"]')),
)


class ChatTap:
    """On a Chat stream. `choices`: how many answers were asked for; each ends with a finish_reason."""

    end = DONE

    def __init__(self, *, kept: bool, choices: int = 1) -> None:
        self.ended = False
        self.usage: Usage | None = None
        self.status = "failed"
        self.erred = False
        self._choices = choices
        self._finished: set[Any] = set()
        self._failed = False  # an error took the place of a chunk
        self._nameless = kept  # its id has still to be told

    def feed(self, frames: bytes) -> Sequence[str]:
        if DONE in frames and (at := _done_at(frames)) >= 0:
            self.ended = True
            frames = frames[:at]
        for key, told in _CHAT_NOTABLE:
            if key in frames:
                for data in sse.payloads_with(told, frames.removeprefix(BOM_UTF8)):
                    self._notice(_object(data))
        return self._name(frames) if self._nameless else ()

    @property
    def response_id(self) -> str | None:
        return None

    def withhold(self) -> None:
        """Only the first chunk makes an id, so nothing was passed on yet."""
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

    def _name(self, frames: bytes) -> Sequence[str]:
        for data in _payloads(frames):
            named = _object(data).get("id")
            if type(named) is str and named:
                self._nameless = False
                return (named,)
        return ()

    def _notice(self, chunk: dict[str, Any]) -> None:
        told = chunk.get("usage")
        if self.usage is None or has_counts(told):
            self.usage = from_chat(told)
        choices = chunk.get("choices")
        for choice in choices if type(choices) is list else ():
            finish = choice.get("finish_reason") if type(choice) is dict else None
            if type(finish) is str and finish:
                if len(self._finished) < self._choices:
                    self._finished.add(str(choice.get("index"))[:20])
                self.status = from_finish_reason(finish).status
        if chunk.get("error"):
            self._failed = self.erred = True
            self.status = "failed"


def _event_at(frames: bytes, place: int) -> bytes:
    """The event that a place is in; all there is, where lines end in CR."""
    if b"\r" in frames:
        return frames
    begin, end = frames.rfind(b"\n\n", 0, place), frames.find(b"\n\n", place)
    return frames[begin + 2 if begin >= 0 else 0 : end if end >= 0 else len(frames)]


def _done_at(frames: bytes) -> int:
    """Where the line of the first `[DONE]` begins that is an event, and no word of the model's; or -1."""
    at = frames.find(DONE)
    while at >= 0:
        line = max(frames.rfind(b"\n", 0, at), frames.rfind(b"\r", 0, at)) + 1
        after = frames[at + len(DONE) : at + len(DONE) + 1]
        named = frames[line:at].removeprefix(BOM_UTF8)
        if named in (b"data: ", b"data:") and after in (b"", b"\n", b"\r"):
            return line
        at = frames.find(DONE, at + len(DONE))
    return -1


def _payloads(frames: bytes) -> list[bytes]:
    """Of any frames of a stream, its first included, before which a byte order mark may stand."""
    return sse.payloads(frames.removeprefix(BOM_UTF8))


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = decode_leniently(data)  # as clients do, or we would contradict what they have read
    except JSONError:
        return {}
    return value if type(value) is dict else {}
