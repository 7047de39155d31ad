"""Reads a Chat stream: bytes of `chat.completion.chunk` events into calls on a writer.

A Machine that never raises on data: an unreadable chunk, an error in place of a chunk, an end without
`finish_reason` each end the turn with an outcome that says so. Choice 0 only: `n` is the engine's.
"""

from typing import Any

from chat2response.convert import outcome, usage
from chat2response.convert.chat.answer import (
    ReasoningForm,
    arguments_of,
    content_pieces,
    token_logprobs,
    url_citation,
)
from chat2response.convert.chat.slots import CallSlots
from chat2response.convert.failures import upstream_error
from chat2response.convert.writer import Writer
from chat2response.errors import UpstreamError
from chat2response.wire import sse
from chat2response.wire.chat import ChoiceShape, Chunk, DeltaShape, read_chunk
from chat2response.wire.json import JSONError, decode
from chat2response.wire.machine import RESET, Fault


class ChatReader:
    """Machine[bytes, None] onto `writer`."""

    def __init__(self, writer: Writer, *, reasoning: ReasoningForm = "content") -> None:
        self.done = False
        self._writer = writer
        self._form = reasoning
        self._frames = sse.Frames()
        self._slots = CallSlots()
        self._finish = ""
        self._usage: Any = None
        self._tier: str | None = None

    def feed(self, data: bytes, /) -> None:
        """Takes one network read."""
        for payload in self._frames.feed(data):
            if self.done:
                return
            if payload == sse.DONE:
                self._end()
            else:
                self._take(payload)
        if self._frames.overrun and not self.done:
            self._fail(UpstreamError("An event of the upstream's stream is too large."))

    def close(self, fault: Fault | None = None, /) -> None:
        """The stream ended, or was stopped. An answer that had finished stays finished."""
        for payload in self._frames.close(fault):
            if not self.done and payload != sse.DONE:
                self._take(payload, last=True)
        if not self.done:
            self._end(fault)

    # -- chunks ----------------------------------------------------------------------------------

    def _take(self, payload: bytes, *, last: bool = False) -> None:
        try:
            chunk = read_chunk(payload)
        except JSONError:
            self._odd(payload, last)
            return
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.service_tier is not None and type(chunk.service_tier) is str:
            self._tier = chunk.service_tier
        choices = chunk.choices
        if choices:
            self._choice(choices[0])
        elif choices is None or chunk.error is not None:
            self._no_choices(chunk, payload)

    def _choice(self, choice: ChoiceShape) -> None:
        if choice.index:
            return
        delta = choice.delta
        if delta is not None:
            content = delta.content
            if type(content) is str and content and choice.logprobs is None and delta.tool_calls is None:
                self._reasoning(delta)
                self._writer.text(content)
            else:
                self._delta(delta, choice.logprobs)
        if choice.finish_reason and type(choice.finish_reason) is str:
            self._finish = choice.finish_reason
        if self._writer.done:
            self.done = True

    def _delta(self, delta: DeltaShape, logprobs: Any) -> None:
        """The pieces of a delta, in the order a turn has them."""
        self._reasoning(delta)
        tokens = token_logprobs(logprobs)
        for kind, text in content_pieces(delta.content):
            if kind == "text":
                self._writer.text(text, tokens)
                tokens = []
            else:
                self._piece(kind, text)
        if type(delta.refusal) is str and delta.refusal:
            self._writer.refusal(delta.refusal)
        for annotation in delta.annotations if type(delta.annotations) is list else ():
            self._annotation(annotation)
        if delta.tool_calls is not None or delta.function_call is not None:
            self._calls(delta)

    def _reasoning(self, delta: DeltaShape) -> None:
        text = delta.reasoning_content or delta.reasoning
        if type(text) is str and text:
            self._piece("reasoning", text)

    def _piece(self, kind: str, text: str) -> None:
        if kind == "reasoning":
            if self._form != "hide":
                self._writer.reasoning(text, summary=self._form == "summary")
        elif kind == "refusal":
            self._writer.refusal(text)
        else:
            self._writer.losses.add(f"content part {text}")

    def _annotation(self, annotation: Any) -> None:
        flat = url_citation(annotation)
        if flat is None:
            self._writer.losses.add("annotation")
        else:
            self._writer.annotation(flat)

    def _calls(self, delta: DeltaShape) -> None:
        entries = delta.tool_calls if type(delta.tool_calls) is list else []
        for entry in entries:
            if type(entry) is dict:
                function = entry.get("function")
                self._call(entry.get("index"), entry.get("id"), function if type(function) is dict else {})
        if type(delta.function_call) is dict:
            self._call(-1, None, delta.function_call)

    def _call(self, index: Any, call_id: Any, function: dict[str, Any]) -> None:
        name = function.get("name")
        name = name if type(name) is str else ""
        call_id = call_id if type(call_id) is str else ""
        arguments = arguments_of(function.get("arguments"))
        slot = self._slots.find(index, call_id, name, arguments)
        self._writer.call(slot, call_id=call_id, name=name, delta=arguments)

    # -- what is not a chunk -----------------------------------------------------------------------

    def _no_choices(self, chunk: Chunk, payload: bytes) -> None:
        """An error in place of a chunk, or a chunk that only brings usage, or a keep-alive of some kind."""
        if chunk.usage is None or chunk.error is not None:
            error = upstream_error(decode(payload))
            if error is not None:
                self._fail(error)

    def _odd(self, payload: bytes, last: bool) -> None:
        """Not JSON, or not the shape of a chunk."""
        try:
            value = decode(payload)
        except JSONError:
            if payload.strip() and not last:  # the last one of a stream without an end is merely cut off
                self._fail(UpstreamError("The upstream sent a chunk that cannot be read."))
            return
        error = upstream_error(value)
        if error is not None:
            self._fail(error)
        elif type(value) is dict:
            self._fail(UpstreamError("The upstream sent a chunk of an unknown shape."))

    # -- ends --------------------------------------------------------------------------------------

    def _end(self, fault: Fault | None = None) -> None:
        if self._finish:
            ended = outcome.from_finish_reason(self._finish, self._tier)
        else:
            ended = outcome.from_fault(fault or RESET)
        self._turn(ended)

    def _fail(self, error: UpstreamError) -> None:
        self._turn(outcome.failed(error))

    def _turn(self, ended: outcome.Outcome) -> None:
        self.done = True
        self._writer.turn(usage.from_chat(self._usage), ended)
