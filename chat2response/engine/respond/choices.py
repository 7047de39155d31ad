"""Answers `n` choices from an upstream that returns one: sends `n` requests at once, and merges the answers.

Each choice has its own turns and its own writer, under one reservation. A choice that fails before the first
byte fails the call; one that fails later stops the others, and the stream ends with its error. A client that
reads slowly pauses all.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import TypeVar

from chat2response.convert.dialects.dialect import ChoicesEncoder
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.losses import Losses
from chat2response.convert.usage import add
from chat2response.convert.writer.events import Event
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.call import JSON_TYPE, SSE_TYPE, Answer
from chat2response.engine.respond.converted_stream import ConvertedStream
from chat2response.engine.respond.hub_call import HubCall, add_gateway_losses
from chat2response.engine.respond.obfuscation import obfuscated
from chat2response.engine.respond.turns import Turns
from chat2response.engine.respond.whole_answer import ask
from chat2response.engine.run import Run
from chat2response.engine.sink import Sink
from chat2response.errors import release_frames
from chat2response.quota.answer_usage import output_tokens
from chat2response.wire.large_documents import run_in_thread_if
from chat2response.wire.responses import Usage
from chat2response.wire.sse import KEEPALIVE
from chat2response.wire.values import replace

T = TypeVar("T")


async def whole_choices(run: Run, call: HubCall) -> Answer:
    """One JSON answer. Raises the first error of a choice."""
    choices = run.call.surface.writes.choices
    assert choices is not None
    echo = await run.apart(EchoedFields.of, call.hub)
    count = range(call.choices)
    answers = await all_of([ask(run, replace(call.question), echo, None) for _ in count])
    losses, usage, deltas = answers[0].losses, None, 0
    for answer in answers:
        for loss in answer.losses:
            losses.add(loss.field, loss.effect)
        usage = add(usage, answer.response.get("usage"))
        deltas += answer.deltas or output_tokens(answer.response)
    add_gateway_losses(run, call.hub, call.question.stops, losses)
    run.note_usage(usage)
    responses = [answer.response for answer in answers]
    await run.meter.settle_response(responses[0], usage, deltas)
    for response in responses:
        await run.keep(response)
    cut = (status for each in responses if (status := str(each.get("status"))) != "completed")
    run.record.outcome = next(cut, "completed")
    write = partial(choices.write, legacy=call.hub.legacy)
    large = any(answer.large for answer in answers)
    body = await run_in_thread_if(large, write, responses, echo.model, losses)
    return Answer(200, JSON_TYPE, run.meter.answer_headers(answers[0].headers), losses, body)


async def stream_choices(run: Run, call: HubCall) -> Answer:
    """One stream. Raises the first error of a choice that comes before the first byte."""
    stream = ChoicesStream(run, call, await run.apart(EchoedFields.of, call.hub))
    run.stream = stream
    await stream.begin(run.parts.options.first_event_timeout)
    losses = stream.turns[0].losses.for_answer()
    add_gateway_losses(run, call.hub, call.question.stops, losses)
    headers = run.meter.answer_headers(stream.turns[0].headers)
    return Answer(200, SSE_TYPE, headers, losses, stream=stream)


class ChoicesStream:
    """Merges the streams of the choices, which one encoder writes."""

    def __init__(self, run: Run, call: HubCall, echo: EchoedFields) -> None:
        choices, parts = run.call.surface.writes.choices, run.parts
        assert choices is not None
        self._run = run
        losses = run.stream_losses = Losses(run.fidelity).for_answer()
        self._encoder = choices.encoder(call.hub, losses, call.choices)
        writers = [ResponseWriter(echo, parts.ids, parts.clock, losses) for _ in range(call.choices)]
        for writer in writers:  # the chunks of all choices have one id
            writer.response["id"] = writers[0].response["id"]
            writer.response["created_at"] = writers[0].response["created_at"]
        self.turns = [Turns(run, replace(call.question), writer) for writer in writers]
        self._choices = [_Choice(self._encoder, index) for index in range(call.choices)]
        self._streams = [
            ConvertedStream(run, turns, writer, obfuscated(choice, call.hub), self._settle)
            for turns, writer, choice in zip(self.turns, writers, self._choices, strict=True)
        ]
        self._running = len(writers)
        self._senders: list[asyncio.Task[bool]] = []

    async def begin(self, first_event_timeout: float) -> None:
        """Asks for every choice, and waits for their first events. Raises the first error."""

        async def begin(turns: Turns, stream: ConvertedStream) -> None:
            await turns.open()
            await stream.begin(first_event_timeout)

        await all_of([begin(*each) for each in zip(self.turns, self._streams, strict=True)])

    async def send(self, sink: Sink) -> None:
        """The chunks of all choices, as they come; then the end, or the error of a choice."""

        async def send(stream: ConvertedStream, choice: _Choice) -> bool:
            await stream.send(sink)
            return choice.failed

        each = zip(self._streams, self._choices, strict=True)
        self._senders = [asyncio.create_task(send(stream, choice)) for stream, choice in each]
        try:
            for ended in asyncio.as_completed(self._senders):
                if await ended:  # its error has passed; another's end may come before that
                    return
            sink.write(self._encoder.end())
        finally:
            await self._stop_senders()

    def keepalive(self) -> bytes:
        """A comment: Chat has no other."""
        return KEEPALIVE

    async def _stop_senders(self) -> None:
        senders, self._senders = self._senders, []
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)

    async def close(self) -> None:
        """Reads no further."""
        await self._stop_senders()
        for stream in self._streams:
            await stream.close()

    @property
    def response_id(self) -> str | None:
        """The id of all choices."""
        return self._streams[0].response_id

    @property
    def outcome(self) -> str:
        """`failed` if a choice failed, else the outcome of the first that did not complete."""
        outcomes = [stream.outcome for stream in self._streams]
        if "failed" in outcomes:
            return "failed"
        return next((each for each in outcomes if each != "completed"), "completed")

    @property
    def deltas(self) -> int:
        """The approximate number of output deltas of all choices."""
        return sum(stream.deltas for stream in self._streams)

    @property
    def usage(self) -> Usage | None:
        """The usage of all choices, as far as it is reported."""
        total: Usage | None = None
        for stream in self._streams:
            total = add(total, stream.usage)
        return total

    async def _settle(self) -> None:
        """Settles the call before the end of its last choice, or of one that failed."""
        self._running -= 1
        if not self._running or self._encoder.failed:
            await self._run.meter.settle(self.usage, deltas=self.deltas)


class _Choice:
    """The encoder of one choice."""

    def __init__(self, encoder: ChoicesEncoder, index: int) -> None:
        self.failed = False
        """Whether it was the first choice to fail, whose error ends the stream."""
        self._encoder = encoder
        self._index = index

    def encode(self, events: Sequence[Event]) -> bytes:
        running = not self._encoder.failed
        frames = self._encoder.encode(self._index, events)
        if running and self._encoder.failed:
            self.failed = True
        return frames


async def all_of(steps: Sequence[Awaitable[T]]) -> list[T]:
    """The results of all steps at once. If one fails, the others are cancelled; raises its error."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    error: BaseException | None = None
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        for each in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(each, BaseException) and each is not error:
                release_frames(each)  # nobody else sees it
