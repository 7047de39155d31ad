"""`ChatTap`: reads a copy of a relayed Chat stream.

A tap learns enough to end the stream if the upstream does not: whether the answer has its finish_reason.
Frames are searched rather than parsed; only the relevant ones are decoded.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any

from chat2response.convert.dialects.chat.answer.stream_reader import ChatReader
from chat2response.convert.dialects.frames import object_in, payloads_of
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.outcome import from_finish_reason
from chat2response.convert.usage import from_chat, has_counts
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import BridgeError
from chat2response.wire import sse
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import encode
from chat2response.wire.responses import Response, Usage
from chat2response.wire.sse import DONE, DONE_FRAME

# Some backends send "" as finish_reason in place of null.
# There is one pattern per key: each starts with a long literal, which makes the search fast.
_CHAT_NOTABLE = (
    (b'"finish_reason"', re.compile(rb'"finish_reason"\s*:\s*"[^"]')),
    (b'"usage"', re.compile(rb'"usage"\s*:\s*\{')),
    (b'"error"', re.compile(rb'"error"\s*:\s*[{"]')),
)


MAX_COPY = 16 * 1024 * 1024  # bytes of a stream that are copied for `response`


class ChatTap:
    """Taps a Chat stream. `choices`: the requested number; each choice ends with a finish_reason. `keep`:
    buffers the stream, up to `MAX_COPY`, for `response`.
    """

    end = DONE

    def __init__(self, *, stored: bool, choices: int = 1, keep: bool = False) -> None:
        self.ended = False
        self.usage: Usage | None = None
        self.status = "failed"
        self.saw_error = False
        self._choices = choices
        self._finished: set[Any] = set()
        self._failed = False  # an error came in place of a chunk
        self._needs_id = stored  # whether its id has yet to be returned
        self._copy: list[bytes] | None = [] if keep else None
        self._room = MAX_COPY

    def feed(self, frames: bytes) -> Sequence[str]:
        if self._copy is not None:
            self._copy_frames(frames)
        if DONE in frames and (at := _done_at(frames)) >= 0:
            self.ended = True
            frames = frames[:at]
        for key, pattern in _CHAT_NOTABLE:
            if key in frames:
                for data in sse.payloads_with(pattern, frames.removeprefix(BOM_UTF8)):
                    self._read_event(object_in(data))
        return self._chat_id(frames) if self._needs_id else ()

    @property
    def response_id(self) -> str | None:
        return None

    def withhold(self) -> None:
        """Only the first chunk has a new id, so nothing has been relayed yet."""
        self.ended = self._failed = False
        self._finished.clear()

    def response(self, ids: Ids, clock: Clock) -> Response | None:
        if self._copy is None or self.status == "failed":
            return None
        writer = ResponseWriter(EchoedFields("", {}), ids, clock)
        feed = EventFeed(ChatReader(writer))
        for frames in self._copy:
            feed.feed(frames)
        feed.close()
        writer.finish()
        return writer.response if writer.response["status"] != "failed" else None

    def _copy_frames(self, frames: bytes) -> None:
        self._room -= len(frames)
        if self._room < 0:
            self._copy = None
        elif self._copy is not None:
            self._copy.append(frames)

    def close(self, error: BridgeError) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        if self._failed or len(self._finished) >= self._choices:
            return DONE_FRAME
        self.status = "failed"
        return b'data: {"error":%b}\n\n' % encode(error.fields()) + DONE_FRAME

    def _chat_id(self, frames: bytes) -> Sequence[str]:
        for data in payloads_of(frames):
            chat_id = object_in(data).get("id")
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
