"""Reads a Chat stream: bytes of `chat.completion.chunk` events into calls on a writer.

A Machine that never raises on data: an unreadable chunk, an error in place of a chunk, an end without
`finish_reason` each end the turn with an outcome that says so. One turn: `n` is the engine's.
"""

from typing import Any

from chat2response.convert import moderation, outcome, usage
from chat2response.convert.dialects.chat.answer.delta_reader import DeltaReader
from chat2response.convert.dialects.chat.answer.other_choices import Messages, OtherChoices, numbered
from chat2response.convert.dialects.chat.answer.provider_metadata import Carried
from chat2response.convert.dialects.chat.answer.unknown_keys import Unread, beside
from chat2response.convert.errors.upstream_errors import error_event, upstream_error
from chat2response.convert.finish_reasons import finish_reason_text
from chat2response.convert.lenient_reader import LenientReader
from chat2response.convert.loose_values import as_objects
from chat2response.convert.policy import ReasoningForm
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import UpstreamError
from chat2response.wire import sse
from chat2response.wire.chat import ChoiceShape, Chunk, DeltaShape, delta_of, read_chunk
from chat2response.wire.json import JSONError, decode, decode_leniently
from chat2response.wire.machine import RESET, Fault

_NO_FINISH = "The upstream ended its stream without saying that the answer is complete."


class ChatReader(LenientReader):
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
        super().__init__()
        self.done = False
        self.heard = False
        """At least one event has been read; comments are none."""
        self._said = 0
        self._writer = writer
        self._text = writer.text
        self._delta = DeltaReader(writer, reasoning, quirks, carried, logprobs=logprobs)
        self._quirks = quirks
        self._frames = sse.FrameDecoder()
        self._finish = ""
        self._usage: Any = None
        self._tier: str | None = None
        self._moderation: dict[str, Any] | None = None
        self._others: OtherChoices | None = None
        self._messages: Messages | None = None
        self._silent = False  # the chunk has a delta that said nothing
        self._unread: Unread | None = None

    @property
    def said(self) -> int:
        """What the model has said, in characters."""
        kept = (each.weight for each in (self._others, self._messages) if each is not None)
        return self._said + self._delta.said + sum(kept)

    def feed(self, data: bytes, /) -> None:
        """Takes one network read."""
        for payload in self._frames.feed(data):
            if self.done:
                return
            self.heard = True
            if payload == sse.DONE:
                self._end(_NO_FINISH)
            else:
                self._read(payload)
        if self._frames.overrun and not self.done:
            self.fail(UpstreamError("An event of the upstream's stream is too large."))

    def close(self, fault: Fault | None = None, /) -> None:
        """The stream ended, or was stopped. An answer that had finished stays finished."""
        for payload in self._frames.close(fault):
            if not self.done and payload != sse.DONE:
                self.heard = True
                self._read(payload, last=True)
        if not self.done:
            self._end(fault or RESET)

    # -- chunks ----------------------------------------------------------------------------------

    def _read(self, payload: bytes, *, last: bool = False) -> None:
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
            if self._silent:  # two chunks of most streams
                self._silent = False
                self._look_for_words(payload)
        if not choices or chunk.error:
            self._no_choices(chunk, payload, last)
        if self._writer.done and not self.done:
            self._turn(outcome.Outcome(service_tier=self._tier))

    def _choice(self, choice: ChoiceShape) -> None:
        if choice.index and choice.index != "0":
            self._other(choice)
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
                self._delta.latest = content
                self._text(content)  # nearly every chunk
            else:
                before = self._delta.said
                self._delta.read(delta, choice.logprobs)
                self._silent = self._delta.said == before
        elif choice.message is None and choice.text is None:
            self._silent = True
        if choice.message is not None or choice.text is not None:
            self._instead(choice)
        if choice.finish_reason:
            self._finished(choice)

    def _instead(self, choice: ChoiceShape) -> None:
        """What stands where a delta belongs: a text, as the old completions had it, or a message."""
        text = choice.text
        if type(text) is str and text and not (choice.delta is not None and choice.delta.content):
            self._delta.read(DeltaShape(content=text))
        if choice.message:
            if self._messages is None:
                self._messages = Messages()
            self._messages.keep(choice.message)

    def _other(self, choice: ChoiceShape) -> None:
        if self._others is None:
            self._others = OtherChoices()
        delta = choice.delta
        if type(choice.message) is dict:
            delta = delta_of(numbered(choice.message))
        elif type(choice.text) is str and delta is None:
            delta = DeltaShape(content=choice.text)
        self._others.keep(choice.index, delta, choice.logprobs, choice.finish_reason)

    def _look_for_words(self, payload: bytes) -> None:
        """Reads what stands beside a delta that said nothing, and names what nobody knows in either."""
        try:
            choices = as_objects(decode_leniently(payload).get("choices"))
        except JSONError:  # in a field that the shape skips
            return
        for choice in choices:
            if choice.get("index") in (None, 0, "0"):
                if choice.get("error") and (error := upstream_error({"error": choice["error"]})):
                    self.fail(error)
                    return
                if words := beside(choice):
                    self._delta.read(delta_of(numbered(words)))
            unread = self._names()
            unread.name_in_choice(choice)
            unread.name(choice.get("delta"))

    def _names(self) -> Unread:
        if self._unread is None:
            self._unread = Unread(self._writer.losses)
        return self._unread

    def _finished(self, choice: ChoiceShape) -> None:
        self._finish = outcome.later_finish_reason(self._finish, finish_reason_text(choice.finish_reason))
        if choice.usage and (self._usage is None or usage.has_counts(choice.usage)):
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
                if self._usage is None or usage.has_counts(counted):
                    self._usage = counted
                return

    # -- what is not a chunk -----------------------------------------------------------------------

    def _no_choices(self, chunk: Chunk, payload: bytes, last: bool) -> None:
        """An error beside a chunk or in its place, a chunk that only counts, or a keep-alive of some kind."""
        if type(payload) is sse.ErrorPayload:
            self.fail(error_event(payload))
        elif chunk.error or not chunk.usage:
            try:
                value = decode(payload)
            except JSONError:  # in a field that the shape skips
                self._not_json(payload, last)
                return
            error = upstream_error(value)
            if error is not None or chunk.error:
                self.fail(error or UpstreamError("The upstream reported an error."))
            elif chunk.choices is None:
                self._names().name_in_event(value)

    def _odd(self, payload: bytes, last: bool) -> None:
        """Not strict JSON, or not the shape of a chunk."""
        if type(payload) is sse.ErrorPayload:
            self.fail(error_event(payload))
            return
        try:
            value = decode(payload)
        except JSONError:
            self._not_json(payload, last)
            return
        error = upstream_error(value)
        if error is not None:
            self.fail(error)
        elif type(value) is dict:
            self.fail(UpstreamError("The upstream sent a chunk of an unknown shape."))

    def _not_json(self, payload: bytes, last: bool) -> None:
        try:
            self._read_leniently(payload)
        except JSONError:
            if payload.strip() == sse.DONE:
                self._end(_NO_FINISH)
            elif not last and not sse.is_keep_alive(payload):  # the last one may be cut off
                self.fail(UpstreamError("The upstream sent a chunk that cannot be read."))

    # -- ends --------------------------------------------------------------------------------------

    def _late(self) -> None:
        """What was kept until the end, for it may have been said otherwise."""
        texts = self._said + self._delta.texts
        if self._messages is not None:
            self._messages.say(self._delta, texts, self._writer.losses)
        if self._others is not None:
            spoken = self._said > 0 or self._delta.texts > 0
            for finish in self._others.say(self._delta, self._writer.losses, spoken=spoken):
                if not self._finish or outcome.from_finish_reason(self._finish).status == "completed":
                    self._finish = finish

    def _end(self, cause: Fault | str) -> None:
        """`cause`: why it ended, for an answer that had not finished."""
        self._read_buffered()
        if self.done:
            return
        self._late()
        if self._finish:
            finish = self._quirks.finish_reasons.get(self._finish, self._finish)
            losses, called = self._writer.losses, self._delta.called
            self._turn(
                outcome.from_finish_reason(finish, self._tier, self._moderation, losses=losses, called=called)
            )
        elif isinstance(cause, Fault):
            self._turn(outcome.from_fault(cause))
        else:
            self.fail(UpstreamError(cause))

    def fail(self, error: UpstreamError) -> None:
        """Ends the turn with an error."""
        self._read_buffered()
        if not self.done:
            self._turn(outcome.failed(error))

    def _turn(self, ended: outcome.Outcome) -> None:
        self.done = True
        ended = self._delta.close(ended)
        if ended.status != "failed":
            self._delta.sources.finish()
        self._writer.end_turn(usage.from_chat(self._usage, self._quirks), ended)
