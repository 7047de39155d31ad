"""Taps: what the gateway learns from a stream that it relays. A tap reads a copy and changes nothing.

It knows enough to end the stream properly when the upstream does not: the id, the output so far and the
next sequence number of a response; whether a Chat answer had its finish_reason. Frames are searched, not
parsed; only those that matter are decoded.
"""

import re
from typing import Any, Protocol

from chat2response.convert.failures import upstream_error
from chat2response.convert.outcome import fault_error, response_error
from chat2response.convert.usage import from_chat, read
from chat2response.errors import BridgeError
from chat2response.wire.json import JSONError, decode, encode
from chat2response.wire.machine import RESET, Fault
from chat2response.wire.responses import Usage
from chat2response.wire.sse import DONE, DONE_FRAME, payloads


class Tap(Protocol):
    """Fed whole frames only."""

    ended: bool
    """The stream had its end."""
    usage: Usage | None
    status: str
    """How it ended: completed, incomplete, failed."""

    def feed(self, frames: bytes) -> None:
        """Looks at frames that are about to be passed on."""
        ...

    def made(self) -> list[str]:
        """Ids that the upstream has made and keeps, each told once."""
        ...

    def close(self, fault: Fault | None) -> bytes:
        """The end that the stream lacks, as bytes to add; nothing where it had one."""
        ...


_NOTABLE = re.compile(
    rb'"response\.(?:created|output_item\.done|completed|incomplete|failed|cancelled)"|"type"\s*:\s*"error"'
)
_NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d+)')
_ENDS = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}


class ResponsesTap:
    """On a Responses stream. `kept`: the upstream stores what it makes, so ids have owners."""

    def __init__(self, *, kept: bool) -> None:
        self.ended = False
        self.usage: Usage | None = None
        self.status = "failed"
        self._kept = kept
        self._made: list[str] = []
        self._response: dict[str, Any] = {}
        self._items: list[Any] = []
        self._last = b""
        self._error: BridgeError | None = None

    def feed(self, frames: bytes) -> None:
        self._last = frames
        if _NOTABLE.search(frames):
            for data in payloads(frames):
                if _NOTABLE.search(data):
                    self._notice(data)

    def made(self) -> list[str]:
        made, self._made = self._made, []
        return made if self._kept else []

    @property
    def response_id(self) -> str | None:
        """The response's id, once `created` has told it."""
        value = self._response.get("id")
        return value if type(value) is str else None

    def close(self, fault: Fault | None) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        numbers = _NUMBER.findall(self._last)
        failed = {
            **self._response,
            "status": "failed",
            "error": response_error(self._error or fault_error(fault or RESET)),
            "output": self._items,
        }
        event = {
            "type": "response.failed",
            "sequence_number": int(numbers[-1]) + 1 if numbers else 0,
            "response": failed,
        }
        return b"event: response.failed\ndata: %b\n\n" % encode(event) + DONE_FRAME

    def _notice(self, data: bytes) -> None:
        try:
            event = decode(data)
        except JSONError:
            return
        kind = event.get("type") if type(event) is dict else None
        response = event.get("response") if kind else None
        if type(response) is dict:
            self._resource(str(kind), response)
        elif kind == "response.output_item.done":
            self._items.append(event.get("item"))
        elif kind == "error":  # not an end: clients wait for response.failed behind it
            self._error = upstream_error(event)

    def _resource(self, kind: str, response: dict[str, Any]) -> None:
        if kind == "response.created":
            self._response = response
            self._made = owned_ids(response)
        elif kind in _ENDS or kind == "response.cancelled":
            self.ended = True
            self.status = _ENDS.get(kind, "failed")
            self.usage = read(response.get("usage"))
            self._made += [each for each in owned_ids(response) if each != self.response_id]


_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
_CHAT_NOTABLE = re.compile(rb'"finish_reason"\s*:\s*"|"usage"\s*:\s*\{|"error"\s*:\s*[{"]')


class ChatTap:
    """On a Chat stream."""

    def __init__(self, *, kept: bool) -> None:
        self.ended = False
        self.usage: Usage | None = None
        self.status = "failed"
        self._kept = kept
        self._made: list[str] = []
        self._over = False  # a finish_reason or an error: nothing but [DONE] may follow
        self._fresh = True

    def feed(self, frames: bytes) -> None:
        if self._fresh:
            self._fresh = False
            self._first(frames)
        if DONE in frames and payloads(frames)[-1:] == [DONE]:
            self.ended = True
        if _CHAT_NOTABLE.search(frames):
            for data in payloads(frames):
                self._notice(data)

    @property
    def response_id(self) -> str | None:
        """A Chat answer is no response."""
        return None

    def made(self) -> list[str]:
        made, self._made = self._made, []
        return made

    def close(self, fault: Fault | None) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        if self._over:
            return DONE_FRAME
        error = fault_error(fault or RESET)
        return b'data: {"error":%b}\n\n' % encode(error.fields()) + DONE_FRAME

    def _first(self, frames: bytes) -> None:
        if self._kept:
            for data in payloads(frames)[:1]:
                chunk = _object(data)
                if type(chunk.get("id")) is str:
                    self._made = [chunk["id"]]

    def _notice(self, data: bytes) -> None:
        if not _CHAT_NOTABLE.search(data):
            return
        chunk = _object(data)
        self.usage = from_chat(chunk.get("usage")) or self.usage
        if _FINISH.search(data):
            self._over = True
            self.status = "completed"
        if chunk.get("error"):
            self._over = True
            self.status = "failed"


def owned_ids(response: dict[str, Any]) -> list[str]:
    """The ids a stored response brings into the world: its own, its conversation's, its items'."""
    conversation = response.get("conversation")
    found = [response.get("id"), conversation.get("id") if type(conversation) is dict else None]
    output = response.get("output")
    found += [item.get("id") for item in output if type(item) is dict] if type(output) is list else []
    return [each for each in found if type(each) is str and each]


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = decode(data)
    except JSONError:
        return {}
    return value if type(value) is dict else {}
