"""How the toy API's answers are read, and its streams tapped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome, failed, from_fault
from chat2response.convert.writer.finished_response import finished_response
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import BridgeError, UpstreamError
from chat2response.wire import sse
from chat2response.wire.fault import RESET, Fault
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import decode, encode
from chat2response.wire.responses import Response, Usage


def usage_of(tokens: int) -> Usage:
    details: Any = {"input_tokens_details": {}, "output_tokens_details": {}}
    return {"input_tokens": 0, "output_tokens": tokens, "total_tokens": tokens, **details}  # type: ignore[typeddict-item]


def total_of(usage: Usage | None) -> int:
    return 0 if usage is None else usage["total_tokens"]


@dataclass
class ToyPeek:
    model: Any = None
    stream: Any = None
    stored: bool = False
    choices: int = 1
    ids: Sequence[str] = ()


class ToyReader:
    def __init__(self, writer: Writer) -> None:
        self.done = self.started = False
        self.output_chars = 0
        self.losses = writer.losses
        self._writer = writer

    def payload(self, data: bytes, /, *, last: bool = False) -> None:
        self.value(decode(data))

    def value(self, answer: Any, /) -> None:
        self.started = True
        if "error" in answer:
            self.fail(UpstreamError(answer["error"]))
            return
        if text := answer.get("text"):
            self.output_chars += len(text)
            self._writer.text(text)
        if "tokens" in answer:
            self._end(usage_of(answer["tokens"]), Outcome())

    def close(self, fault: Fault | None = None, /) -> None:
        if not self.done:
            self._end(None, from_fault(fault or RESET))

    def fail(self, error: UpstreamError) -> None:
        self._end(None, failed(error))

    def _end(self, usage: Usage | None, outcome: Outcome) -> None:
        self.done = True
        self._writer.end_turn(usage, outcome)


class ToyDecoder:
    def reader(self, writer: Writer) -> ToyReader:
        return ToyReader(writer)

    def response(
        self, answer: Any, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses | None = None
    ) -> Response:
        writer = ResponseWriter(echo, ids, clock, losses)
        ToyReader(writer).value(answer)
        return finished_response(writer)


class ToyTap:
    def __init__(self) -> None:
        self.ended = self.saw_error = False
        self.end = b""
        self.usage: Usage | None = None
        self.status = "failed"
        self.response_id = None

    def feed(self, frames: bytes) -> Sequence[str]:
        for data in sse.payloads(frames):
            value = decode(data)
            if "tokens" in value or "error" in value:
                self.ended, self.end, self.saw_error = True, data, "error" in value
                self.status = "failed" if self.saw_error else "completed"
        return ()

    def withhold(self) -> None:
        self.ended = False

    def response(self, ids: Ids, clock: Clock) -> Response | None:
        return None

    def close(self, error: BridgeError) -> bytes:
        if self.ended:
            return b""
        self.ended = True
        return b"data: %b\n\n" % encode({"error": error.message})
