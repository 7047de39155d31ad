"""`ConvertedStream`: the turns of one response, encoded for the client: one write for each read."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chat2response.convert.dialects.dialect import Encoder
from chat2response.convert.losses import HEADER
from chat2response.convert.outcome import fault_error, response_error
from chat2response.convert.size_limit import check_weight
from chat2response.convert.writer.events import Delta, Event
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.respond.turns import Turns
from chat2response.engine.run import Run
from chat2response.engine.sink import NO_SINK, Sink, drained
from chat2response.errors import BridgeError, release_frames
from chat2response.stores.base import StoreDown
from chat2response.upstreams.error_responses import mask_error
from chat2response.wire.fault import STORE_DOWN
from chat2response.wire.responses import Usage

_OPENING = 2  # events that open every stream

log = logging.getLogger("chat2response.engine")


class ConvertedStream:
    """Encodes what the turns write. The terminal event passes once the response is kept and settled."""

    def __init__(
        self,
        run: Run,
        turns: Turns,
        writer: ResponseWriter,
        encoder: Encoder,
        settle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`settle`: settles the call before the end passes; None: this stream alone decides what it used."""
        self._settle = settle
        self._run = run
        self._turns = turns
        self._writer = writer
        self._max_output = writer.max_weight = run.parts.options.max_output
        self._encoder = encoder
        self._sink: Sink = NO_SINK
        self._error: BridgeError | None = None  # the gateway's; the turn's own is in the writer's outcome
        self._last_number = -1  # the sequence number of the last encoded event

    async def begin(self, first_event_timeout: float) -> None:
        """Waits for the first event, for a limited time. Raises the error if there is nothing else."""
        self._writer.begin()
        await self._turns.start(first_event_timeout)
        outcome = self._writer.outcome
        has_output = self._writer.response["output"] or len(self._writer.losses)
        if outcome is not None and outcome.error is not None and not has_output:
            raise outcome.error
        check_weight(self._weight(), self._max_output)

    async def send(self, sink: Sink) -> None:
        """Writes the events of each read, then always a terminal event."""
        self._sink = sink
        self._turns.on_read = self._write_events
        try:
            sink.write(self._encode(self._writer.take()))
            if sink.full:
                await drained(sink)
            await self._turns.run()
        except Exception as error:
            self._note_error(error)
        sink.write(self._last_events())
        if sink.full:
            await drained(sink)
        sink.write(await self._end())

    def keepalive(self) -> bytes:
        """A keepalive event, since some clients time out on comments. Empty before the first event."""
        if self._last_number < 0 or self._error is not None or self._writer.ended:
            return b""
        try:
            self._writer.beat()
            return self._encode(self._writer.take())
        except Exception as error:  # it may have lost events
            self._turns.fail(self._note_error(error))
            return b""

    async def close(self) -> None:
        """Reads no further. Breaks reference cycles."""
        self._settle = None
        self._sink = NO_SINK
        self._turns.close()

    @property
    def response_id(self) -> str | None:
        """The response's id."""
        return self._writer.response["id"]

    @property
    def outcome(self) -> str:
        """How the stream ended; `cancel` if it was left before its end."""
        if self._error is not None:
            return "failed"
        return str(self._writer.response["status"]) if self._writer.ended else "cancel"

    @property
    def deltas(self) -> int:
        """The approximate number of output deltas."""
        return max(self._writer.event_count - _OPENING, 0)

    @property
    def usage(self) -> Usage | None:
        """The usage that the upstream has reported so far."""
        return self._writer.response["usage"]

    def _write_events(self) -> None:
        """Writes the events of one read. Raises UpstreamError if the answer has become too large."""
        writer, turns = self._writer, self._turns
        events = writer.take()
        if turns.earlier_chars + turns.reader.output_chars + writer.weight > self._max_output:
            check_weight(self._weight(), self._max_output)
        if events:  # `_encode`, without a call for each read
            if not self._run.record.first_content_at:
                self._run.note_content()
            frames = self._encoder.encode(events)
            last: Any = events[-1]
            self._last_number = last.sequence_number if type(last) is Delta else last["sequence_number"]
            sink = self._sink
            sink.write(frames)
            if sink.full:
                turns.pause()
                sink.on_drained(turns.resume)

    def _encode(self, events: Sequence[Event]) -> bytes:
        if not self._run.record.first_content_at and self._writer.event_count > _OPENING:
            self._run.note_content()
        encoded = self._encoder.encode(events)
        last: Any = events[-1]
        self._last_number = last.sequence_number if type(last) is Delta else last["sequence_number"]
        return encoded

    def _weight(self) -> int:
        turns = self._turns
        return turns.earlier_chars + turns.reader.output_chars + self._writer.weight

    # -- the end -----------------------------------------------------------------------------------

    def _note_error(self, error: Exception) -> BridgeError:
        if not isinstance(error, BridgeError):
            log.error("%s: cannot convert the answer", self.response_id, exc_info=error)
            error = BridgeError("The gateway failed to convert the answer.")
        release_frames(error)
        self._error = error
        return error

    def _last_events(self) -> bytes:
        """The events of the last read. The comment about losses follows them, however the reads were cut.

        They are written apart: the end repeats the whole answer, and joining the two would copy it.
        """
        try:
            events = self._writer.take()
            return self._encode(events) if events else b""
        except Exception as error:
            self._note_error(error)
            return b""

    async def _end(self) -> bytes:
        """The terminal event; before it passes, the response is kept and the call settled."""
        try:
            self._conclude()
            await self._keep()
            end = self._terminal()
        except Exception as error:
            self._note_error(error)
            end = self._minimal_end()
        meter = self._run.meter
        if meter.has_reservations:
            if self._settle is None:
                await meter.settle(self.usage, deltas=self.deltas)
            else:
                await self._settle()
        return end

    def _conclude(self) -> None:
        writer = self._writer
        outcome = writer.outcome
        error = self._error or (outcome.error if outcome is not None else None)
        if error is not None:
            mask_error(error, self._run.target)
        if self._error is not None:
            writer.end("failed", error=self._error)
        else:
            writer.finish()

    async def _keep(self) -> None:
        """Stores the response; without that it has failed (law 6, persist, then announce)."""
        writer, run = self._writer, self._run
        if run.parts.keep is None or writer.response["status"] == "failed":
            return
        try:
            await run.keep(writer.response)
        except StoreDown:
            self._error = fault_error(STORE_DOWN)
            writer.withhold_end()
            writer.end("failed", error=self._error)

    def _terminal(self) -> bytes:
        writer = self._writer
        frames = self._encoder.encode(writer.take())  # may add a loss
        lost_header = writer.losses.header()
        return f": {HEADER}: {lost_header}\n\n".encode() + frames if lost_header else frames

    def _minimal_end(self) -> bytes:
        """A failed response without output: the output may be what cannot be encoded."""
        assert self._error is not None
        changes = {"status": "failed", "error": response_error(self._error), "output": []}
        event: dict[str, Any] = {
            "type": "response.failed",
            "sequence_number": self._last_number + 1,
            "response": {**self._writer.response, **changes},
        }
        return self._encoder.encode([event])
