"""Writes several responses as the choices of one Chat answer (`n`), for an upstream that returns one.

In a stream each choice has one role chunk and one finish chunk; the stream has one usage chunk, with the sum,
and one `[DONE]`. The responses share an id. A choice that fails ends the stream with its error.
"""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.dialects.chat.answer.stream_encoder import encoder_for
from chat2response.convert.dialects.chat.answer.whole_answer import write_response
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.usage import add, to_chat
from chat2response.convert.writer.events import Delta, Event
from chat2response.wire.json import encode
from chat2response.wire.responses import Response, Usage

_ENDS = ("response.completed", "response.incomplete", "response.failed")


class ChatChoicesEncoder:
    """One encoder for each choice."""

    def __init__(self, hub: HubRequest, losses: Losses, count: int) -> None:
        self.failed = False
        self._encoders = [encoder_for(hub, losses, choice=choice, sole=False) for choice in range(count)]
        self._usage: Usage | None = None

    def encode(self, choice: int, events: Sequence[Event]) -> bytes:
        """The chunks of a batch of one choice. Nothing follows the error of a choice."""
        if self.failed:
            return b""
        last: Any = events[-1]
        if type(last) is not Delta and last["type"] in _ENDS:
            self._usage = add(self._usage, last["response"].get("usage"))
            self.failed = last["type"] == "response.failed"
        return self._encoders[choice].encode(events)

    def end(self) -> bytes:
        """The end of the stream; none after an error, which contains it."""
        return b"" if self.failed else self._encoders[0].end_stream(self._usage)


class ChatChoices:
    """How Chat returns several answers."""

    def encoder(self, hub: HubRequest, losses: Losses, count: int) -> ChatChoicesEncoder:
        """Encodes `count` responses as one stream."""
        return ChatChoicesEncoder(hub, losses, count)

    def write(self, responses: Sequence[Response], model: str, losses: Losses, *, legacy: bool) -> bytes:
        """One completion with the choice of each response; usage is added up."""
        completions = [write_response(each, model=model, losses=losses, legacy=legacy) for each in responses]
        choices = [
            {**choice, "index": index}
            for index, completion in enumerate(completions)
            for choice in completion["choices"]
        ]
        total: Usage | None = None
        for response in responses:
            total = add(total, response.get("usage"))
        return encode({**completions[0], "choices": choices, "usage": to_chat(total)})
