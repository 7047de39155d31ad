"""Reads a Chat stream: bytes of `chat.completion.chunk` events into calls on a writer.

A Machine that never raises on data: an unreadable chunk, an error in place of a chunk, an end without
`finish_reason` each end the turn with an outcome that says so. Choice 0 only: `n` is the engine's.
"""

from typing import Any

from chat2response.convert import moderation, outcome, usage
from chat2response.convert.chat.answer import ReasoningForm
from chat2response.convert.chat.carried import Carried
from chat2response.convert.chat.delta import DeltaReader
from chat2response.convert.failures import upstream_error
from chat2response.convert.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.speech import Writer
from chat2response.errors import UpstreamError
from chat2response.wire import sse
from chat2response.wire.chat import ChoiceShape, Chunk, read_chunk
from chat2response.wire.json import JSONError, decode
from chat2response.wire.machine import RESET, Fault

_NO_FINISH = "The upstream ended its stream without saying that the answer is complete."
_UNFINISHED = ("", "null")  # what some backends write for null


class ChatReader:
    """Machine[bytes, None] onto `writer`."""

    def __init__(
        self,
        writer: Writer,
        *,
        reasoning: ReasoningForm = "content",
        quirks: Quirks = OPENAI_COMPATIBLE,
        carried: Carried | None = None,
        logprobs: bool = True,
    ) -> None:
        self.done = False
        self.heard = False
        """At least one event has been read; comments are none."""
        self._said = 0
        self._writer = writer
        self._text = writer.text
        self._delta = DeltaReader(writer, reasoning, quirks, carried, logprobs=logprobs)
        self._quirks = quirks
        self._frames = sse.Frames()
        self._finish = ""
        self._usage: Any = None
        self._tier: str | None = None
        self._moderation: dict[str, Any] | None = None

    @property
    def said(self) -> int:
        """What the model has said, in characters."""
        return self._said + self._delta.said

    def feed(self, data: bytes, /) -> None:
        """Takes one network read."""
        for payload in self._frames.feed(data):
            if self.done:
                return
            self.heard = True
            if payload == sse.DONE:
                self._end(_NO_FINISH)
            else:
                self._take(payload)
        if self._frames.overrun and not self.done:
            self._fail(UpstreamError("An event of the upstream's stream is too large."))

    def close(self, fault: Fault | None = None, /) -> None:
        """The stream ended, or was stopped. An answer that had finished stays finished."""
        for payload in self._frames.close(fault):
            if not self.done and payload != sse.DONE:
                self.heard = True
                self._take(payload, last=True)
        if not self.done:
            self._end(fault or RESET)

    # -- chunks ----------------------------------------------------------------------------------

    def _take(self, payload: bytes, *, last: bool = False) -> None:
        try:
            chunk = read_chunk(payload)
        except JSONError:
            self._odd(payload, last)
            return
        if chunk.usage or chunk.x_groq or chunk.moderation or chunk.citations or chunk.search_results:
            self._beside(chunk)
        if chunk.service_tier is not None and type(chunk.service_tier) is str:
            self._tier = chunk.service_tier
        choices = chunk.choices
        if choices:
            for choice in choices:
                self._choice(choice)
        if not choices or chunk.error:
            self._no_choices(chunk, payload, last)
        if self._writer.done and not self.done:
            self._turn(outcome.Outcome(service_tier=self._tier))

    def _choice(self, choice: ChoiceShape) -> None:
        if choice.index and choice.index != "0":
            return
        delta = choice.delta
        if delta is not None:
            content = delta.content
            if (
                type(content) is str
                and content
                and choice.logprobs is None
                and not (delta.reasoning_content or delta.reasoning or delta.reasoning_details)
                and not (delta.reasoning_text or delta.thinking_blocks or delta.extra_content)
                and not (delta.tool_calls or delta.annotations or delta.refusal)
                and not (delta.function_call or delta.audio or delta.images)
            ):
                self._said += len(content)
                self._text(content)  # nearly every chunk
            else:
                self._delta.read(delta, choice.logprobs)
        if choice.finish_reason and type(choice.finish_reason) is str:
            self._finished(choice)

    def _finished(self, choice: ChoiceShape) -> None:
        if choice.finish_reason not in _UNFINISHED:
            self._finish = choice.finish_reason
        if choice.usage and (self._usage is None or usage.counts(choice.usage)):
            self._usage = choice.usage

    def _beside(self, chunk: Chunk) -> None:
        """What a chunk says beside its choices."""
        if chunk.citations or chunk.search_results:
            self._said += self._delta.sources.take(chunk.citations, chunk.search_results)
        self._count(chunk)

    def _count(self, chunk: Chunk) -> None:
        """The last count wins: some backends count with every chunk. Zeros after a count are none."""
        if chunk.moderation:
            self._moderation = moderation.from_chat(chunk.moderation, self._writer.losses)
        for counted in (chunk.usage, chunk.x_groq.get("usage") if type(chunk.x_groq) is dict else None):
            if counted and type(counted) is dict:
                if self._usage is None or usage.counts(counted):
                    self._usage = counted
                return

    # -- what is not a chunk -----------------------------------------------------------------------

    def _no_choices(self, chunk: Chunk, payload: bytes, last: bool) -> None:
        """An error beside a chunk or in its place, a chunk that only counts, or a keep-alive of some kind."""
        if chunk.error or not chunk.usage:
            try:
                error = upstream_error(decode(payload))
            except JSONError:  # in a field that the shape skips
                self._unreadable(payload, last)
                return
            if error is not None or chunk.error:
                self._fail(error or UpstreamError("The upstream reported an error."))

    def _odd(self, payload: bytes, last: bool) -> None:
        """Not JSON, or not the shape of a chunk."""
        try:
            value = decode(payload)
        except JSONError:
            self._unreadable(payload, last)
            return
        error = upstream_error(value)
        if error is not None:
            self._fail(error)
        elif type(value) is dict:
            self._fail(UpstreamError("The upstream sent a chunk of an unknown shape."))

    def _unreadable(self, payload: bytes, last: bool) -> None:
        if payload.strip() == sse.DONE:
            self._end(_NO_FINISH)
        elif payload.strip() and not last:  # the last one of a stream without an end is merely cut off
            self._fail(UpstreamError("The upstream sent a chunk that cannot be read."))

    # -- ends --------------------------------------------------------------------------------------

    def _end(self, cause: Fault | str) -> None:
        """`cause`: why it ended, for an answer that had not finished."""
        if self._finish:
            self._turn(outcome.from_finish_reason(self._finish, self._tier, self._moderation))
        elif isinstance(cause, Fault):
            self._turn(outcome.from_fault(cause))
        else:
            self._fail(UpstreamError(cause))

    def _fail(self, error: UpstreamError) -> None:
        if not self.done:
            self._turn(outcome.failed(error))

    def _turn(self, ended: outcome.Outcome) -> None:
        self.done = True
        if ended.status != "failed":
            self._delta.sources.finish()
        self._writer.turn(usage.from_chat(self._usage, self._quirks), ended)
