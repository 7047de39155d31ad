"""`ResponsesTap`: reads a copy of a relayed Responses stream.

A tap learns enough to end the stream if the upstream does not: the response's id, its output so far and its
next sequence number. Frames are searched rather than parsed; only the relevant ones are decoded.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any

from chat2response.convert.client_profiles import make_error_event
from chat2response.convert.dialects.frames import object_in, payloads_of
from chat2response.convert.dialects.responses.answer.created_ids import container_ids, owned_ids
from chat2response.convert.errors.upstream_errors import read_upstream_error
from chat2response.convert.outcome import response_error
from chat2response.convert.size_limit import MAX_OUTPUT, weigh_json
from chat2response.convert.usage import read
from chat2response.errors import BridgeError
from chat2response.wire import sse
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import encode
from chat2response.wire.responses import Response, Usage
from chat2response.wire.sse import DONE_FRAME

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
        self._finished: Response | None = None

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

    def response(self, ids: Ids, clock: Clock) -> Response | None:
        return self._finished

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
        numbers = [object_in(data).get("sequence_number") for data in payloads_of(self._last)]
        return max((number for number in numbers if type(number) is int), default=-1) + 1

    def _read_event(self, data: bytes) -> list[str]:
        if self.ended:  # late events are not relayed
            return []
        event = object_in(data)
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
            self._finished = None if self.status == "failed" else response  # type: ignore[assignment]
        else:
            return []
        return self._unreported(owned_ids(response, stored=self._stored))

    def _unreported(self, ids: list[str]) -> list[str]:
        unreported = [each for each in dict.fromkeys(ids) if each not in self._reported]
        self._reported.update(unreported)
        return unreported


def _event_at(frames: bytes, offset: int) -> bytes:
    """The event at an offset; all frames, if their lines end in CR."""
    if b"\r" in frames:
        return frames
    begin, end = frames.rfind(b"\n\n", 0, offset), frames.find(b"\n\n", offset)
    return frames[begin + 2 if begin >= 0 else 0 : end if end >= 0 else len(frames)]
