"""`ResponsesReader`: reads the events of a Responses stream, and calls a writer.

What an upstream sends only in a `done` event, or only in the terminal response, is written after what was
streamed; nothing is written twice. The ids of the upstream's items stay.
"""

from typing import Any

from chat2response.convert import outcome, usage
from chat2response.convert.dialects.responses.answer.event_envelope import (
    ends_answer,
    is_wrapped,
    response_of,
    unwrap,
)
from chat2response.convert.dialects.responses.answer.turn_output import DELTAS, OUTPUT_EVENTS, TurnOutput
from chat2response.convert.dialects.responses.answer.whole_answer import as_event
from chat2response.convert.errors.upstream_errors import read_error_event, read_upstream_error
from chat2response.convert.lenient_reader import LenientReader
from chat2response.convert.loose_values import as_string
from chat2response.convert.outcome import Outcome
from chat2response.convert.size_limit import EVENT_WEIGHT
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import UpstreamError
from chat2response.wire import sse
from chat2response.wire.fault import RESET, Fault
from chat2response.wire.json import JSONError, decode
from chat2response.wire.responses import read_delta

_TERMINAL = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_BAD_ENDS = ("incomplete", "failed", "cancelled")
_ADOPTED = ("response.audio.delta", "response.audio.transcript.delta")
_KNOWN = frozenset((*OUTPUT_EVENTS, *_TERMINAL, "error"))


class ResponsesReader(LenientReader):
    """A Reader that writes to `writer`."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self._writer = writer
        self._length = 0  # a fixed size for each event other than a delta
        self._output = TurnOutput(writer)
        self._texts = self._output.texts
        self._calls = self._output.calls

    @property
    def output_chars(self) -> int:
        """The model's output so far, in characters, plus the size of the other events."""
        return self._length + self._texts.output_chars + self._calls.output_chars

    def payload(self, data: bytes, /, *, last: bool = False) -> None:
        """Reads the payload of one event."""
        if self.done:
            return
        if self._buffered is not None:
            self._read_after_buffered(data, last)
            return
        self.started = True
        if data == sse.DONE:
            return
        try:
            event = read_delta(data)
            kind = DELTAS.get(event.type)
            if kind is None or type(event.delta) is not str:
                self._read_non_delta(data)
            elif not event.delta:
                pass
            elif kind.part:
                self._texts.delta(kind, event)
            else:
                self._calls.delta(kind, event)
        except JSONError:
            self._handle_non_event(data, last)
        if self._writer.done and not self.done:
            self._end_turn(Outcome())

    def close(self, fault: Fault | None = None, /) -> None:
        """Ends the stream; without a terminal event that is a failure."""
        self._read_buffered()
        if not self.done:
            self._end_turn(outcome.from_fault(fault or RESET))

    def fail(self, error: UpstreamError) -> None:
        """Ends the turn with an error."""
        self._read_buffered()
        if not self.done:
            self._end_turn(outcome.failed(error))

    def _as_event(self, answer: Any) -> dict[str, Any]:
        return as_event(answer)

    def _read_whole(self, event: dict[str, Any]) -> None:
        self._read_event(event)
        if self._writer.done and not self.done:
            self._end_turn(Outcome())

    # -- payloads that are no delta ----------------------------------------------------------------

    def _handle_non_event(self, payload: bytes, last: bool) -> None:
        """Handles a payload that is no strict JSON, or no object."""
        try:
            self._read_non_delta(payload)
        except JSONError:
            self._handle_non_json(payload, last)

    def _handle_non_json(self, payload: bytes, last: bool) -> None:
        try:
            self._read_leniently(payload)
        except JSONError:
            if payload.strip() != sse.DONE and not last and not sse.is_keepalive(payload):
                self.fail(UpstreamError("The upstream sent an event that cannot be read."))

    def _read_non_delta(self, payload: bytes) -> None:
        if type(payload) is sse.ErrorPayload:
            self.fail(read_error_event(payload))
        else:
            self._read_event(decode(payload), payload.name if type(payload) is sse.NamedPayload else "")

    # -- events ------------------------------------------------------------------------------------

    def _read_event(self, event: Any, name: str = "") -> None:
        self._length += EVENT_WEIGHT
        if type(event) is not dict:
            if error := read_upstream_error(event):
                self.fail(error)
            return
        if as_string(event.get("type")) not in _KNOWN or is_wrapped(event):
            event = unwrap(event, name)
        kind = as_string(event.get("type"))
        if kind in OUTPUT_EVENTS:
            self._output.read(event)
        elif kind in _TERMINAL:
            self._read_end(event)
        elif kind == "error":
            self._read_error(event)
        elif kind.startswith("response."):
            self._read_other(event)
        elif error := read_upstream_error(event):
            self.fail(error)
        else:
            self._output.report_unknown(event)

    def _read_other(self, event: dict[str, Any]) -> None:
        """Handles other events: of an open item, of the answer itself, or unknown ones."""
        if event["type"] in _ADOPTED and type(event.get("delta")) is str:
            self._writer.forward_event({"type": event["type"], "delta": event["delta"]})
        elif ends_answer(event):
            self._read_end(event)
        elif not self._output.read_hosted(event):
            self._output.report_unknown(event)

    def _read_error(self, event: dict[str, Any]) -> None:
        self.fail(read_upstream_error(event) or UpstreamError("The upstream ended the stream with an error."))

    def _read_end(self, event: dict[str, Any]) -> None:
        response, status = response_of(event), event["type"].removeprefix("response.")
        response_status = outcome.status_of(response)
        if status not in _BAD_ENDS and response_status in (*_BAD_ENDS, "completed"):
            status = response_status
        ending = outcome.from_response({**response, "status": status})
        if ending.error is None:
            ending = self._output.finish(response, ending)
        self._end_turn(ending, response.get("usage"))

    def _end_turn(self, ending: Outcome, reported: Any = None) -> None:
        self.done = True
        self._writer.end_turn(usage.read(reported), ending)
