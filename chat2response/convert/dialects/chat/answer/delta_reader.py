"""What one delta of a Chat stream says, or one whole message: the same words, said on a writer.

A delta and a message have the same fields, so streams and whole answers are read by the same code.
"""

from functools import lru_cache
from typing import Any

from chat2response.convert.dialects.chat.answer.call_entries import CallEntries
from chat2response.convert.dialects.chat.answer.content_pieces import (
    Structure,
    content_pieces,
    is_signed,
    structured_pieces,
    url_citation,
)
from chat2response.convert.dialects.chat.answer.cumulative_reasoning import Increments
from chat2response.convert.dialects.chat.answer.provider_metadata import Carried
from chat2response.convert.dialects.chat.answer.search_sources import Sources
from chat2response.convert.logprobs import token_logprobs
from chat2response.convert.outcome import Outcome
from chat2response.convert.policy import ReasoningForm
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.size_limit import text_length, weigh
from chat2response.convert.writer.protocol import ContentWriter
from chat2response.wire.chat import DeltaShape

_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text")


@lru_cache
def _fields(first: tuple[str, ...]) -> tuple[str, ...]:
    """All that hold thoughts, the backend's own before the others."""
    return (*first, *(each for each in _THOUGHTS if each not in first))


class DeltaReader:
    """Reads the deltas of one turn onto `writer`. Never raises on data."""

    def __init__(
        self,
        writer: ContentWriter,
        form: ReasoningForm,
        quirks: Quirks = OPENAI_COMPATIBLE,
        carried: Carried | None = None,
        *,
        logprobs: bool = True,
    ) -> None:
        """`logprobs`: whether they are shown."""
        self.said = 0
        """In characters; what a backend wants back beside its reasoning included."""
        self.texts = 0
        """Of it, visible text."""
        self.latest = ""
        """The last piece of visible text."""
        self.latest_thought = ""
        """The same of plain reasoning."""
        self.thoughts = 0
        """Of it, plain reasoning."""
        self._refused = False
        self._writer = writer
        self._logprobs = logprobs
        self._form = form
        self._fields = _fields(quirks.reasoning_in)
        self._carried = carried
        self._calls: CallEntries | None = None  # most answers have none
        self._increments = Increments() if quirks.cumulative_details else None
        self.sources = Sources(writer)
        """Those of the whole answer, which stand beside its choices."""

    def read(self, delta: DeltaShape, logprobs: Any = None, choice: int = 0, *, again: bool = False) -> None:
        """Everything in it, in the order a turn has: thoughts, text and its citations, refusal, calls.

        `choice`: of several that share the turn, its own. `again`: its calls may be those that were read.
        """
        if (
            delta.reasoning_content
            or delta.reasoning
            or delta.reasoning_details
            or delta.reasoning_text
            or delta.thinking_blocks
        ):
            self._reasoning(delta)
        if delta.extra_content and is_signed(delta.extra_content):
            self._extra(delta.extra_content)
        shown = logprobs if self._logprobs else None
        if delta.content or shown:
            self._content(delta.content, shown)
        if delta.annotations:
            for annotation in delta.annotations if type(delta.annotations) is list else [delta.annotations]:
                self._annotation(annotation)
        if delta.refusal:
            self._refusal(delta.refusal)
        if delta.tool_calls or delta.function_call:
            self._called(delta, choice, again)
        if delta.audio:
            self._writer.losses.add("message.audio")
        if delta.images:
            self._writer.losses.add("message.images")

    def _refusal(self, refusal: Any) -> None:
        self._refused = True
        if type(refusal) is str:
            self.said += len(refusal)
            self._writer.refusal(refusal)
        else:
            self._writer.losses.add("message.refusal")

    def _content(self, content: Any, logprobs: Any) -> None:
        tokens = token_logprobs(logprobs)
        for kind, text in content_pieces(content):
            self.said += len(text)
            if kind == "text":
                self.texts += len(text)
                self.latest = text
                self._writer.text(text, tokens)
                tokens = []
            else:
                self._piece(kind, text)
        if tokens:  # part of a character: it has a probability, and no text yet
            self._writer.text("", tokens)
        if type(logprobs) is dict and logprobs.get("refusal"):
            self._writer.losses.add("logprobs.refusal")

    def _reasoning(self, delta: DeltaShape) -> None:
        text = self._thought(delta)  # the same as in the structures beside it
        if text:
            self.said += len(text)
            self.thoughts += len(text)
            self.latest_thought = text
            self._piece("reasoning", text)
        details = delta.reasoning_details
        if self._increments is not None and details:
            details = self._increments.of(details)
        self._structured("reasoning_details", details, text)
        self._structured("thinking_blocks", delta.thinking_blocks, text)

    def _structured(self, name: Structure, entries: Any, plain: str) -> None:
        """Entries with texts and signatures. `plain`: their text, where it came in a field of its own too."""
        kept = self._carried is not None and self._carried.keep(name, entries)
        self.said += text_length(entries)
        for kind, said in structured_pieces(name, entries):
            if not (kept if kind == "lost" else plain):
                self._piece(kind, said)

    def _extra(self, extra: Any, call_id: Any = None) -> None:
        """Gemini's signatures, on a call or on the message."""
        self.said += weigh(extra)
        if self._carried is None or not self._carried.keep_extra(extra, call_id):
            self._piece("lost", "extra_content" if call_id is None else "tool_calls.extra_content")

    def _thought(self, delta: DeltaShape) -> str:
        for name in self._fields:
            text = getattr(delta, name)
            if type(text) is str and text:
                return text
            if text and type(text) is not str:
                self._writer.losses.add(f"message.{name}")
        return ""

    def _piece(self, kind: str, text: str) -> None:
        if kind == "reasoning":
            if self._form != "hide":
                self._writer.reasoning(text, summary=self._form == "summary")
        elif kind == "refusal":
            self._writer.refusal(text)
        else:
            self._writer.losses.add(f"message.{text}")

    def _annotation(self, annotation: Any) -> None:
        flat = url_citation(annotation)
        if flat is None:
            self._writer.losses.add("message.annotations")
        else:
            self.sources.cited.add(flat["url"])
            self._writer.annotation(flat, in_turn=True)

    @property
    def called(self) -> bool:
        """Whether there was a call, or a piece of one."""
        return self._calls is not None and self._calls.called

    def has_said(self, field: str) -> bool:
        """Whether there was a refusal, or a citation; of other fields nothing is kept."""
        return self._refused if field == "refusal" else field == "annotations" and bool(self.sources.cited)

    def _called(self, delta: DeltaShape, choice: int, again: bool) -> None:
        calls = self._calls
        if calls is None:
            calls = self._calls = CallEntries(self._writer, self._extra)
        before = calls.said
        tool_calls = calls.new_of(delta.tool_calls) if again else delta.tool_calls
        calls.read(tool_calls, delta.function_call, choice)
        self.said += calls.said - before
        self.sources.late = self.sources.late or calls.called

    def close(self, ended: Outcome) -> Outcome:
        """Says what waited for the end of the turn, which ends so; gives the end that it comes to."""
        return ended if self._calls is None else self._calls.close(ended)
