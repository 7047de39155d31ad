"""Converts an answer: the upstream's events go through the hub and leave in the client's dialect."""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from chat2response.convert.client_profiles import DEFAULT, ClientProfile
from chat2response.convert.dialects.chat.answer.stream_encoder import ChatEncoder
from chat2response.convert.dialects.chat.answer.whole_answer import write_response
from chat2response.convert.dialects.responses.answer.stream_encoder import ProfiledEncoder, ResponsesEncoder
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import HEADER, Losses
from chat2response.convert.outcome import response_error
from chat2response.convert.size_limit import MAX_OUTPUT, check_weight
from chat2response.convert.writer.events import Delta, Event
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.lookahead import Lookahead, deadline_in
from chat2response.engine.respond.obfuscation import Encoder, ObfuscatingEncoder
from chat2response.errors import BridgeError, release_frames
from chat2response.upstreams.base import Target, Turn
from chat2response.upstreams.error_responses import mask_error
from chat2response.wire.json import encode
from chat2response.wire.responses import Response, Usage

_MAX_BATCH = 128
"""Events per batch: at most about 64 KiB, unless single events are large."""

log = logging.getLogger("chat2response.engine")


class ConvertedStream:
    """Feeds one turn into one writer, and encodes its events: one batch per read."""

    def __init__(
        self,
        turn: Turn,
        writer: ResponseWriter,
        encoder: Encoder,
        target: Target,
        max_output: int = MAX_OUTPUT,
    ) -> None:
        """`max_output`: the bytes that the answer may take in memory; a larger one fails."""
        self._max_output = max_output
        self._turn = turn
        self._writer = writer
        writer.max_weight = max_output
        self._encoder = encoder
        self._target = target
        self._lookahead = Lookahead(turn.reads())
        self._done = False
        self._error: BridgeError | None = None  # the gateway's; the turn's own is in the writer's outcome
        self._last_number = -1  # the sequence number of the last encoded event

    async def begin(self, first_event_timeout: float) -> None:
        """Waits for the first event, for a limited time. Raises the error if there is nothing else."""
        self._writer.begin()
        deadline = deadline_in(first_event_timeout)
        while await self._lookahead.wait(deadline):
            try:
                await self._lookahead.next()
            except StopAsyncIteration:
                self._done = True
            outcome = self._writer.outcome
            has_output = self._writer.response["output"] or len(self._writer.losses)
            if outcome is not None and outcome.error is not None and not has_output:
                raise outcome.error
            check_weight(self._turn.output_chars + self._writer.weight, self._max_output)
            if self._done or self._turn.started:
                return

    async def batches(self) -> AsyncIterator[bytes]:
        """The events of each read, then always a terminal event.

        A large read makes several batches. No batch is referenced here once it is yielded: a slow client may
        block the generator for long.
        """
        writer, turn = self._writer, self._turn
        events = writer.take()
        try:
            while len(events) > _MAX_BATCH:
                yield self._encode(events[:_MAX_BATCH])
                del events[:_MAX_BATCH]
            yield self._encode(events)
            if not self._done:
                await self._lookahead.next()
                while True:
                    events = writer.take()
                    if turn.output_chars + writer.weight > self._max_output:
                        check_weight(turn.output_chars + writer.weight, self._max_output)
                    while len(events) > _MAX_BATCH:
                        yield self._encode(events[:_MAX_BATCH])
                        del events[:_MAX_BATCH]
                    if events:
                        yield self._encode(events)
                    await anext(self._lookahead.source)
        except StopAsyncIteration:
            pass
        except Exception as error:
            self._note_error(error)
        if batch := self._last_batch():
            yield batch
        yield self._end()

    def _encode(self, events: Sequence[Event]) -> bytes:
        encoded = self._encoder.encode(events)
        self._last_number = _sequence_number(events[-1])
        return encoded

    def keepalive(self) -> bytes:
        """A keepalive event, since some clients time out on comments. Empty before the first batch."""
        if self._last_number < 0 or self.ended:
            return b""
        self._writer.beat()
        return self._encode(self._writer.take())

    async def close(self) -> None:
        """Cancels the read that `begin` may have started."""
        await self._lookahead.close()

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
    def ended(self) -> bool:
        """Whether the last batch contains the end."""
        return self._error is not None or self._writer.ended

    @property
    def deltas(self) -> int:
        """The approximate number of output deltas: all events except the two that open every stream."""
        return max(self._writer.event_count - 2, 0)

    @property
    def usage(self) -> Usage | None:
        """The usage that the upstream has reported so far."""
        return self._writer.response["usage"]

    # -- the end -----------------------------------------------------------------------------------

    def _note_error(self, error: Exception) -> None:
        if not isinstance(error, BridgeError):
            log.error("%s: cannot convert the answer", self.response_id, exc_info=error)
            error = BridgeError("The gateway failed to convert the answer.")
        release_frames(error)
        self._error = error

    def _last_batch(self) -> bytes:
        """The events of the last read. The comment about losses follows them, however the reads were cut.

        This is a separate batch: the end repeats the whole answer, and joining the two would copy it.
        """
        try:
            events = self._writer.take()
            return self._encode(events) if events else b""
        except Exception as error:
            self._note_error(error)
            return b""

    def _end(self) -> bytes:
        try:
            return self._terminal()
        except Exception as error:
            self._note_error(error)
            return self._minimal_end()

    def _terminal(self) -> bytes:
        writer = self._writer
        outcome = writer.outcome
        error = self._error or (outcome.error if outcome is not None else None)
        if error is not None:
            mask_error(error, self._target)
        if self._error is not None:
            writer.end("failed", error=self._error)
        else:
            writer.finish()
        frames = self._encoder.encode(writer.take())  # may add a loss
        lost_header = writer.losses.header()
        return f": {HEADER}: {lost_header}\n\n".encode() + frames if lost_header else frames

    def _minimal_end(self) -> bytes:
        """A failed response without output: the output may be what cannot be encoded."""
        assert self._error is not None
        changes = {"status": "failed", "error": response_error(self._error), "output": []}
        event = {
            "type": "response.failed",
            "sequence_number": self._last_number + 1,
            "response": {**self._writer.response, **changes},
        }
        return self._encoder.encode([event])


def _sequence_number(event: Event) -> int:
    number: int = event.sequence_number if type(event) is Delta else event["sequence_number"]  # type: ignore[index]
    return number


def encoder_for(
    dialect: str, request: HubRequest, losses: Losses, client: ClientProfile = DEFAULT
) -> Encoder:
    """The encoder of the client's dialect, with the options of its request and its profile."""
    encoder = _encoder(dialect, request, losses, client)
    options: Any = request.body.get("stream_options")
    return ObfuscatingEncoder(encoder) if options and options.get("include_obfuscation") is True else encoder


def _encoder(dialect: str, request: HubRequest, losses: Losses, client: ClientProfile) -> Encoder:
    if dialect == "responses":
        return ResponsesEncoder() if client.is_default else ProfiledEncoder(client)
    options = request.extra.get("stream_options")
    include_usage = type(options) is dict and options.get("include_usage") is True
    include: Any = request.body.get("include") or ()
    logprobs = "message.output_text.logprobs" in include
    return ChatEncoder(include_usage=include_usage, logprobs=logprobs, losses=losses, legacy=request.legacy)


def whole_body(
    dialect: str,
    response: Response,
    model: str,
    losses: Losses,
    client: ClientProfile = DEFAULT,
    *,
    legacy: bool = False,
) -> bytes:
    """A whole answer in the client's dialect. `model`: the name that the client requested."""
    if dialect == "responses":
        return encode(response if client.is_default else client.adapt(response))
    return encode(write_response(response, model=model, losses=losses, legacy=legacy))
