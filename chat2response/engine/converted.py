"""Down by conversion: what the upstream says goes through the hub and out in the client's dialect."""

from collections.abc import AsyncIterator
from typing import Any

from chat2response.convert.chat.response import write_response
from chat2response.convert.chat.write import ChatEncoder
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import HEADER
from chat2response.convert.responses.write import ResponsesEncoder
from chat2response.convert.writer import ResponseWriter
from chat2response.engine.hold import Ahead
from chat2response.upstreams.base import Turn
from chat2response.wire.json import encode
from chat2response.wire.responses import Response

Encoder = ResponsesEncoder | ChatEncoder


class ConvertedStream:
    """One turn into one writer, its events encoded batch by batch: a read in, a batch out."""

    def __init__(self, turn: Turn, writer: ResponseWriter, encoder: Encoder) -> None:
        self.turn = turn
        self.writer = writer
        self._encoder = encoder
        self._ahead = Ahead(turn.reads())
        self._over = False

    async def begin(self, hold: float) -> None:
        """Waits for the first event, `hold` seconds at most. Raises the error where that is all there is."""
        self.writer.begin()
        while await self._ahead.wait(hold):
            try:
                await self._ahead.step()
            except StopAsyncIteration:
                self._over = True
            outcome = self.writer.outcome
            if outcome is not None and outcome.error is not None and not self.writer.response["output"]:
                raise outcome.error
            if self._over or self.turn.heard:
                return

    async def batches(self) -> AsyncIterator[bytes]:
        """The events of each read, then the terminal one."""
        writer, encode_events = self.writer, self._encoder.encode
        yield encode_events(writer.take())
        if not self._over:
            try:
                await self._ahead.step()
                while True:
                    if events := writer.take():
                        yield encode_events(events)
                    await anext(self._ahead.source)
            except StopAsyncIteration:
                pass
        yield self._end()

    async def close(self) -> None:
        """Ends what was begun ahead."""
        await self._ahead.close()

    def _end(self) -> bytes:
        lost = self.writer.losses.header()
        comment = f": {HEADER}: {lost}\n\n".encode() if lost else b""
        self.writer.finish()
        return comment + self._encoder.encode(self.writer.take())


def encoder_for(dialect: str, request: HubRequest) -> Encoder:
    """The encoder of the client's dialect, as its request asks."""
    if dialect == "responses":
        return ResponsesEncoder()
    options = request.extra.get("stream_options")
    include_usage = type(options) is dict and options.get("include_usage") is True
    include: Any = request.body.get("include") or ()
    return ChatEncoder(include_usage=include_usage, logprobs="message.output_text.logprobs" in include)


def whole_body(dialect: str, response: Response, model: str) -> bytes:
    """A whole answer in the client's dialect, under the name it asked for."""
    if dialect == "responses":
        return encode(response)
    return encode(write_response(response, model=model))
