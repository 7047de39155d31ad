"""Down by conversion: what the upstream says goes through the hub and out in the client's dialect."""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from chat2response.convert.client_profiles import DEFAULT, ClientProfile
from chat2response.convert.dialects.chat.answer.completion import write_response
from chat2response.convert.dialects.chat.answer.stream_encoder import ChatEncoder
from chat2response.convert.dialects.responses.stream_encoder import ResponsesEncoder, SuitedEncoder
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import HEADER, Losses
from chat2response.convert.outcome import response_error
from chat2response.convert.size_limit import MAX_OUTPUT, check_weight
from chat2response.convert.writer.events import Delta, Event
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.lookahead import Ahead, deadline_in
from chat2response.engine.respond.obfuscation import Encoder, Obfuscated
from chat2response.errors import BridgeError, release_frames
from chat2response.upstreams.base import Target, Turn
from chat2response.upstreams.upstream_refusals import mask_error
from chat2response.wire.json import encode
from chat2response.wire.responses import Response, Usage

_AT_ONCE = 128
"""Events of one batch: some 64 KiB at most, but for those that say much by themselves."""

log = logging.getLogger("chat2response.engine")


class ConvertedStream:
    """One turn into one writer, its events encoded batch by batch: a read in, a batch out."""

    def __init__(
        self,
        turn: Turn,
        writer: ResponseWriter,
        encoder: Encoder,
        target: Target,
        most: int = MAX_OUTPUT,
    ) -> None:
        """`most`: bytes that are kept of the answer; one that grows larger fails."""
        self._most = most
        self._turn = turn
        self._writer = writer
        writer.max_weight = most
        self._encoder = encoder
        self._target = target
        self._ahead = Ahead(turn.reads())
        self._over = False
        self._error: BridgeError | None = None  # not the turn's own: its reading, or ours, failed
        self._last = -1  # the number of the last event that was made into bytes

    async def begin(self, hold: float) -> None:
        """Waits for the first event, `hold` seconds at most. Raises the error where that is all there is."""
        self._writer.begin()
        deadline = deadline_in(hold)
        while await self._ahead.wait(deadline):
            try:
                await self._ahead.step()
            except StopAsyncIteration:
                self._over = True
            outcome, said = self._writer.outcome, self._writer.response["output"] or len(self._writer.losses)
            if outcome is not None and outcome.error is not None and not said:
                raise outcome.error
            check_weight(self._turn.said + self._writer.weight, self._most)
            if self._over or self._turn.heard:
                return

    async def batches(self) -> AsyncIterator[bytes]:
        """The events of each read, then the terminal one, whatever happens.

        Those of a large read come in several batches, and no batch is kept here: whoever takes it may have to
        wait for a client that does not read.
        """
        writer, turn = self._writer, self._turn
        events = writer.take()
        try:
            while len(events) > _AT_ONCE:
                yield self._encode(events[:_AT_ONCE])
                del events[:_AT_ONCE]
            yield self._encode(events)
            if not self._over:
                await self._ahead.step()
                while True:
                    events = writer.take()
                    if turn.said + writer.weight > self._most:
                        check_weight(turn.said + writer.weight, self._most)
                    while len(events) > _AT_ONCE:
                        yield self._encode(events[:_AT_ONCE])
                        del events[:_AT_ONCE]
                    if events:
                        yield self._encode(events)
                    await anext(self._ahead.source)
        except StopAsyncIteration:
            pass
        except Exception as error:
            self._note(error)
        if before := self._before_end():
            yield before
        yield self._end()

    def _encode(self, events: Sequence[Event]) -> bytes:
        made = self._encoder.encode(events)
        self._last = _number(events[-1])
        return made

    def beat(self) -> bytes:
        """A sign of life with data in it: to some clients a comment is silence. None before a first batch."""
        if self._last < 0 or self.over:
            return b""
        self._writer.beat()
        return self._encode(self._writer.take())

    async def close(self) -> None:
        """Ends what was begun ahead."""
        await self._ahead.close()

    @property
    def response_id(self) -> str | None:
        """The response's id."""
        return self._writer.response["id"]

    @property
    def outcome(self) -> str:
        """How it ended; `cancel` where nobody waited for its end."""
        if self._error is not None:
            return "failed"
        return str(self._writer.response["status"]) if self._writer.ended else "cancel"

    @property
    def over(self) -> bool:
        """Whether the batch that was made last holds the end."""
        return self._error is not None or self._writer.ended

    @property
    def deltas(self) -> int:
        """How many pieces the model has said, roughly: the events but those that open every stream."""
        return max(self._writer.event_count - 2, 0)

    @property
    def usage(self) -> Usage | None:
        """What it used, as far as the upstream has said."""
        return self._writer.response["usage"]

    # -- the end -----------------------------------------------------------------------------------

    def _note(self, error: Exception) -> None:
        if not isinstance(error, BridgeError):
            log.error("%s: the answer could not be converted", self.response_id, exc_info=error)
            error = BridgeError("The gateway failed while it was converting the answer.")
        release_frames(error)
        self._error = error

    def _before_end(self) -> bytes:
        """What the last read said: the comment on losses stands behind it, however the reads were cut.

        A batch of its own: joined with the end, which says a whole answer again, it would be copied with it.
        """
        try:
            events = self._writer.take()
            return self._encode(events) if events else b""
        except Exception as error:
            self._note(error)
            return b""

    def _end(self) -> bytes:
        try:
            return self._terminal()
        except Exception as error:
            self._note(error)
            return self._bare()

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
        frames = self._encoder.encode(writer.take())  # which may lose something yet
        lost = writer.losses.header()
        return f": {HEADER}: {lost}\n\n".encode() + frames if lost else frames

    def _bare(self) -> bytes:
        """The failure, without the output: that may be what cannot be written."""
        assert self._error is not None
        ended = {"status": "failed", "error": response_error(self._error), "output": []}
        event = {
            "type": "response.failed",
            "sequence_number": self._last + 1,
            "response": {**self._writer.response, **ended},
        }
        return self._encoder.encode([event])


def _number(event: Event) -> int:
    number: int = event.sequence_number if type(event) is Delta else event["sequence_number"]  # type: ignore[index]
    return number


def encoder_for(
    dialect: str, request: HubRequest, losses: Losses, client: ClientProfile = DEFAULT
) -> Encoder:
    """The encoder of the client's dialect, as its request and its profile ask."""
    encoder = _encoder(dialect, request, losses, client)
    options: Any = request.body.get("stream_options")
    return Obfuscated(encoder) if options and options.get("include_obfuscation") is True else encoder


def _encoder(dialect: str, request: HubRequest, losses: Losses, client: ClientProfile) -> Encoder:
    if dialect == "responses":
        return ResponsesEncoder() if client.is_default else SuitedEncoder(client)
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
    """A whole answer in the client's dialect, under the name it asked for."""
    if dialect == "responses":
        return encode(response if client.is_default else client.adapt(response))
    return encode(write_response(response, model=model, losses=losses, legacy=legacy))
