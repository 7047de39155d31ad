"""`Turns`: the turns of one response. Asks the upstream, feeds a writer, and may ask again before the end.

    turns = Turns(run, question, writer)
    await turns.open()  # the head of the first answer
    await turns.start(2.0)  # its first event
    turns.on_read = send_events  # is called after each network read that was fed to the writer
    await turns.run()

An error of the first turn is raised until something is read; later, it is the outcome of the turn.
"""

from collections.abc import Awaitable, Callable

from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import failed
from chat2response.convert.reader import Reader
from chat2response.convert.size_limit import check_weight
from chat2response.convert.writer.finished_response import finished_response
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.convert.writer.stop_strings import StopStringWriter
from chat2response.engine.respond.question import Question
from chat2response.engine.respond.turn import OnRead, Turn, nothing
from chat2response.engine.run import Run
from chat2response.errors import BridgeError, release_frames
from chat2response.upstreams.error_responses import mask_error, refusal_of
from chat2response.wire.headers import HeaderList
from chat2response.wire.responses import Response

NextTurn = Callable[[Response], Awaitable[HubRequest | None]]
"""Returns the request of another turn, after the response so far; None: the response is complete."""


class Turns:
    """`writer` gets the output of all turns. `next_turn` is asked after each turn that completed."""

    def __init__(
        self, run: Run, question: Question, writer: ResponseWriter, next_turn: NextTurn | None = None
    ) -> None:
        self.headers: HeaderList = []
        """The upstream's headers that reach the client, of the first turn."""
        self.losses = Losses()
        """What the first request lost."""
        self.on_read: OnRead = nothing
        self._run = run
        self._question: Question | None = question  # until it is asked: a stream may stay open for long
        self._backend = question.backend
        self._stops = question.stops
        self._writer = writer
        self._output: Writer = StopStringWriter(writer, question.stops) if question.stops else writer
        self._next_turn = next_turn
        self._max_output = run.parts.options.max_output
        self._current: Turn | None = None
        self.reader: Reader
        """The reader of the current turn."""
        self._turn_count = 0  # requests sent
        self.earlier_chars = 0
        """The characters of output in the turns before, for the size limit."""

    async def open(self) -> None:
        """Asks for the first turn. Raises UpstreamError."""
        question, self._question = self._question, None
        assert question is not None, "the first turn is asked for once"
        self.losses = await self._ask(question)
        self.headers = self._turn.reply.headers

    async def start(self, seconds: float) -> None:
        """Waits for the first event, at most `seconds`. Raises UpstreamError."""
        await self._turn.start(seconds)

    async def run(self) -> None:
        """Feeds the writer until the last turn ends. Raises what `on_read` raises, and BridgeError."""
        while True:
            self._turn.on_read = self.on_read
            await self._turn.finish()
            if self._next_turn is None or not await self._ask_again(self._next_turn):
                return

    def pause(self) -> None:
        """Reads nothing until `resume`."""
        self._turn.pause()

    def resume(self) -> None:
        """Continues after `pause`."""
        self._turn.resume()

    def fail(self, error: Exception) -> None:
        """Ends the current turn; `run` raises `error`."""
        self._turn.fail(error)

    def close(self) -> None:
        """Leaves the turns where they are."""
        self.on_read = nothing
        if self._current is not None:
            self._current.close()

    async def whole(self) -> Response:
        """The response of all turns. Raises the BridgeError that the first turn ended with; if a later one
        fails, the response has failed, and contains the output so far.
        """
        writer, most = self._writer, self._max_output
        writer.max_weight = most

        def drop_events() -> None:
            writer.take()
            check_weight(self.earlier_chars + self.reader.output_chars + writer.weight, most)

        writer.begin()
        await self.open()
        self.on_read = drop_events
        try:
            await self.run()
        finally:
            self.close()
        if self._turn_count > 1:
            if self.failure is not None:
                mask_error(self.failure, self._run.target)
            writer.finish()
            return writer.response
        return finished_response(writer)

    @property
    def failure(self) -> BridgeError | None:
        """The error of a turn after the first, which failed the response."""
        outcome = self._writer.outcome
        return outcome.error if outcome is not None and self._turn_count > 1 else None

    @property
    def _turn(self) -> Turn:
        assert self._current is not None, "a turn is open"
        return self._current

    async def _ask(self, question: Question) -> Losses:
        """Sends a request, and waits for the head of its answer. Raises UpstreamError."""
        self._turn_count += 1
        run, losses = self._run, Losses(self._run.fidelity)
        body, decoder = await run.apart(question.write, run.target.dialect, losses)
        reply = await run.send(body, stream=True)
        if reply.status >= 300:
            raise await refusal_of(reply, run.target)
        self.reader = decoder.reader(self._output)
        self._current = Turn(reply, self.reader, self._max_output)
        return losses

    async def _ask_again(self, next_turn: NextTurn) -> bool:
        """Asks for another turn, if there is to be one. An error ends the response as failed."""
        outcome = self._writer.outcome
        if outcome is None or outcome.status != "completed" or self._output.done:
            return False
        self.on_read()  # the next turn may take long
        try:
            hub = await self._run.until_stopped(next_turn(self._writer.response))
            if hub is None:
                return False
            await self._run.close_reply(self._turn.reply)
            self.earlier_chars += self.reader.output_chars
            await self._ask(Question(hub, self._backend, None, self._stops))
        except BridgeError as error:
            release_frames(error)
            self._writer.end_turn(None, failed(error))
            return False
        return True
