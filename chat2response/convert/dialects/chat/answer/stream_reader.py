"""`ChatReader`: reads the `chat.completion.chunk` events of a Chat stream, and calls a writer.

It never raises on data: an unreadable chunk, an error in place of a chunk and an end without
`finish_reason` each end the turn with a matching outcome. It reads one turn; `n` is the engine's business.
"""

from typing import Any

from chat2response.convert import moderation, outcome, usage
from chat2response.convert.dialects.chat.answer.delta_reader import DeltaReader
from chat2response.convert.dialects.chat.answer.other_choices import OtherChoices, WholeMessages, with_indices
from chat2response.convert.dialects.chat.answer.unknown_keys import UnknownKeys, message_fields
from chat2response.convert.dialects.chat.answer.whole_answer import as_chunk
from chat2response.convert.errors.upstream_errors import read_error_event, read_upstream_error
from chat2response.convert.finish_reasons import finish_reason_text
from chat2response.convert.lenient_reader import LenientReader
from chat2response.convert.loose_values import as_objects
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.reasoning.provider_metadata import ProviderMetadata
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import UpstreamError
from chat2response.wire import sse
from chat2response.wire.chat import ChoiceShape, Chunk, DeltaShape, delta_of, read_chunk
from chat2response.wire.fault import RESET, Fault
from chat2response.wire.json import DECODE_ERRORS, JSONError, convert_to, decode, decode_leniently

_NO_FINISH = "The upstream ended its stream without a finish reason, so the answer may be incomplete."


class ChatReader(LenientReader):
    """A Reader that writes to `writer`."""

    def __init__(
        self,
        writer: Writer,
        *,
        reasoning: ReasoningForm = "content",
        quirks: Quirks = OPENAI_COMPATIBLE,
        metadata: ProviderMetadata | None = None,
        logprobs: bool = True,
    ) -> None:
        super().__init__()
        self._text_chars = 0
        self._writer = writer
        self._text = writer.text
        self._delta = DeltaReader(writer, reasoning, quirks, metadata, logprobs=logprobs)
        self._quirks = quirks
        self._finish = ""
        self._usage: Any = None
        self._tier: str | None = None
        self._moderation: dict[str, Any] | None = None
        self._others: OtherChoices | None = None
        self._messages: WholeMessages | None = None
        self._silent = False  # a delta of this chunk had no output
        self._unknown_keys: UnknownKeys | None = None

    @property
    def output_chars(self) -> int:
        """The model's output so far, in characters."""
        chars = self._text_chars + self._delta.output_chars
        if self._others is not None:
            chars += self._others.weight
        return chars if self._messages is None else chars + self._messages.weight

    def payload(self, data: bytes, /, *, last: bool = False) -> None:
        """Reads the payload of one event."""
        if self.done:
            return
        if self._buffered is not None:
            self._read_after_buffered(data, last)
            return
        if data == sse.DONE:
            if not last:
                self.started = True
                self._end(_NO_FINISH)
            return
        self.started = True
        try:
            chunk = read_chunk(data)
        except DECODE_ERRORS:
            self._handle_non_chunk(data, last)
        else:
            self._read_chunk(chunk, data, last)

    def close(self, fault: Fault | None = None, /) -> None:
        """Ends the stream. A finished answer stays finished."""
        if not self.done:
            self._end(fault or RESET)

    def _as_event(self, answer: Any) -> dict[str, Any]:
        return as_chunk(answer)

    def _read_whole(self, event: dict[str, Any]) -> None:
        try:
            chunk = convert_to(event, Chunk)
        except JSONError:
            self._handle_other_value(event)
        else:
            self._read_chunk(chunk, event)

    # -- chunks ----------------------------------------------------------------------------------

    def _read_chunk(self, chunk: Chunk, source: bytes | dict[str, Any], last: bool = False) -> None:
        """Reads a chunk. `source`: what it was decoded from, for the fields that `Chunk` does not have."""
        if chunk.usage or chunk.x_groq or chunk.moderation or chunk.citations or chunk.search_results:
            self._read_beside_choices(chunk)
        if chunk.service_tier is not None and type(chunk.service_tier) is str:
            self._tier = chunk.service_tier
        choices = chunk.choices
        for choice in choices or ():
            if choice.index and choice.index != "0":
                self._buffer_other_choice(choice)
                continue
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
                    self._text_chars += len(content)
                    self._delta.last_text = content
                    self._text(content)  # nearly every chunk
                else:
                    before = self._delta.output_chars
                    self._delta.read(delta, choice.logprobs)
                    self._silent = self._delta.output_chars == before
            elif choice.message is None and choice.text is None:
                self._silent = True
            if choice.message is not None or choice.text is not None:
                self._read_in_place_of_delta(choice)
            if choice.finish_reason:
                self._record_finish(choice)
        if self._silent:  # two chunks of most streams
            self._silent = False
            self._read_beside_delta(source)
        if not choices or chunk.error:
            self._read_without_choices(chunk, source, last)
        if self._writer.done and not self.done:
            self._end_turn(outcome.Outcome(service_tier=self._tier))

    def _read_in_place_of_delta(self, choice: ChoiceShape) -> None:
        """Reads what stands in place of a delta: a text, as in the old completions API, or a message."""
        text = choice.text
        if type(text) is str and text and not (choice.delta is not None and choice.delta.content):
            self._delta.read(DeltaShape(content=text))
        if choice.message:
            if self._messages is None:
                self._messages = WholeMessages()
            self._messages.add(choice.message)

    def _buffer_other_choice(self, choice: ChoiceShape) -> None:
        if self._others is None:
            self._others = OtherChoices()
        delta = choice.delta
        if type(choice.message) is dict:
            delta = delta_of(with_indices(choice.message))
        elif type(choice.text) is str and delta is None:
            delta = DeltaShape(content=choice.text)
        self._others.add(choice.index, delta, choice.logprobs, choice.finish_reason)

    def _read_beside_delta(self, source: bytes | dict[str, Any]) -> None:
        """Reads what stands beside a delta without output, and reports the unknown keys of both."""
        try:
            value = source if isinstance(source, dict) else decode_leniently(source)
        except JSONError:  # in a field that the chunk type skips
            return
        for choice in as_objects(value.get("choices")):
            if choice.get("index") in (None, 0, "0"):
                if choice.get("error") and (error := read_upstream_error({"error": choice["error"]})):
                    self.fail(error)
                    return
                if fields := message_fields(choice):
                    self._delta.read(delta_of(with_indices(fields)))
            unknown_keys = self._unknown_keys_reporter()
            unknown_keys.report_choice(choice)
            unknown_keys.report(choice.get("delta"))

    def _unknown_keys_reporter(self) -> UnknownKeys:
        if self._unknown_keys is None:
            self._unknown_keys = UnknownKeys(self._writer.losses)
        return self._unknown_keys

    def _record_finish(self, choice: ChoiceShape) -> None:
        self._finish = outcome.later_finish_reason(self._finish, finish_reason_text(choice.finish_reason))
        if choice.usage and (self._usage is None or usage.has_counts(choice.usage)):
            self._usage = choice.usage

    def _read_beside_choices(self, chunk: Chunk) -> None:
        """Reads what stands beside the choices."""
        if chunk.citations or chunk.search_results:
            self._text_chars += self._delta.sources.add(chunk.citations, chunk.search_results)
        self._record_usage(chunk)

    def _record_usage(self, chunk: Chunk) -> None:
        """Records the latest usage; some backends send it with every chunk. Zeros replace nothing."""
        if chunk.moderation:
            self._moderation = moderation.from_chat(chunk.moderation, self._writer.losses)
        for counted in (chunk.usage, chunk.x_groq.get("usage") if type(chunk.x_groq) is dict else None):
            if counted and type(counted) is dict:
                if self._usage is None or usage.has_counts(counted):
                    self._usage = counted
                return

    # -- what is not a chunk -----------------------------------------------------------------------

    def _read_without_choices(self, chunk: Chunk, source: bytes | dict[str, Any], last: bool) -> None:
        """Handles a chunk without choices: an error beside it or in its place, usage, or some keep-alive."""
        if type(source) is sse.ErrorPayload:
            self.fail(read_error_event(source))
        elif chunk.error or not chunk.usage:
            value: Any = source
            if isinstance(source, bytes):
                try:
                    value = decode(source)
                except JSONError:  # in a field that the chunk type skips
                    self._handle_non_json(source, last)
                    return
            error = read_upstream_error(value)
            if error is not None or chunk.error:
                self.fail(error or UpstreamError("The upstream reported an error."))
            elif chunk.choices is None:
                self._unknown_keys_reporter().report_event(value)

    def _handle_non_chunk(self, payload: bytes, last: bool) -> None:
        """Handles a payload that is no strict JSON, or no chunk."""
        if type(payload) is sse.ErrorPayload:
            self.fail(read_error_event(payload))
            return
        try:
            value = decode(payload)
        except JSONError:
            self._handle_non_json(payload, last)
        else:
            self._handle_other_value(value)

    def _handle_other_value(self, value: Any) -> None:
        """Handles a value that is no chunk: an error, or something unknown."""
        error = read_upstream_error(value)
        if error is not None:
            self.fail(error)
        elif type(value) is dict:
            self.fail(UpstreamError("The upstream sent a chunk in an unknown format."))

    def _handle_non_json(self, payload: bytes, last: bool) -> None:
        try:
            self._read_leniently(payload)
        except JSONError:
            if payload.strip() == sse.DONE:
                self._end(_NO_FINISH)
            elif not last and not sse.is_keepalive(payload):  # the last one may be incomplete
                self.fail(UpstreamError("The upstream sent a chunk that cannot be read."))

    # -- ends --------------------------------------------------------------------------------------

    def _write_buffered(self) -> None:
        """Writes what was buffered until the end of the turn, where it is certain that no delta has it."""
        text_chars = self._text_chars + self._delta.text_chars
        if self._messages is not None:
            self._messages.write(self._delta, text_chars, self._writer.losses)
        if self._others is not None:
            has_text = self._text_chars > 0 or self._delta.text_chars > 0
            for finish in self._others.write(self._delta, self._writer.losses, has_text=has_text):
                if not self._finish or outcome.from_finish_reason(self._finish).status == "completed":
                    self._finish = finish

    def _end(self, cause: Fault | str) -> None:
        """Ends the turn. `cause`: why the stream ended, for an answer without a finish reason."""
        self._read_buffered()
        if self.done:
            return
        self._write_buffered()
        if self._finish:
            finish = self._quirks.finish_reasons.get(self._finish, self._finish)
            losses, has_calls = self._writer.losses, self._delta.has_calls
            self._end_turn(
                outcome.from_finish_reason(
                    finish, self._tier, self._moderation, losses=losses, called=has_calls
                )
            )
        elif isinstance(cause, Fault):
            self._end_turn(outcome.from_fault(cause))
        else:
            self.fail(UpstreamError(cause))

    def fail(self, error: UpstreamError) -> None:
        """Ends the turn with an error."""
        self._read_buffered()
        if not self.done:
            self._end_turn(outcome.failed(error))

    def _end_turn(self, ending: outcome.Outcome) -> None:
        self.done = True
        ending = self._delta.close(ending)
        if ending.status != "failed":
            self._delta.sources.finish()
        self._writer.end_turn(usage.from_chat(self._usage, self._quirks), ending)
