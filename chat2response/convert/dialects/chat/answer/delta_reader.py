"""`DeltaReader`: writes what one delta of a Chat stream, or one whole message, contains.

A delta and a message have the same fields, so the same code reads streams and whole answers.
"""

from functools import lru_cache
from typing import Any

from chat2response.convert.dialects.chat.answer.call_entries import CallEntries
from chat2response.convert.dialects.chat.answer.content_pieces import (
    content_pieces,
    is_signed,
    structured_pieces,
    url_citation,
)
from chat2response.convert.dialects.chat.answer.cumulative_reasoning import CumulativeReasoning
from chat2response.convert.dialects.chat.answer.search_sources import SearchSources
from chat2response.convert.logprobs import token_logprobs
from chat2response.convert.outcome import Outcome
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.reasoning.provider_metadata import ProviderMetadata, Structure
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.convert.size_limit import text_length, weigh
from chat2response.convert.writer.protocol import ContentWriter
from chat2response.wire.chat import DeltaShape

_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text")


@lru_cache
def _reasoning_fields(first: tuple[str, ...]) -> tuple[str, ...]:
    """The fields that may contain reasoning, the backend's own first."""
    return (*first, *(each for each in _THOUGHTS if each not in first))


class DeltaReader:
    """Reads the deltas of one turn and writes them to `writer`. Never raises on data."""

    def __init__(
        self,
        writer: ContentWriter,
        form: ReasoningForm,
        quirks: Quirks = OPENAI_COMPATIBLE,
        metadata: ProviderMetadata | None = None,
        *,
        logprobs: bool = True,
    ) -> None:
        """`logprobs`: whether to pass them on."""
        self.output_chars = 0
        """The size of everything read, in characters, including the provider metadata."""
        self.text_chars = 0
        """The size of the visible text read, in characters."""
        self.last_text = ""
        """The last piece of visible text."""
        self.last_reasoning = ""
        """The last piece of plain reasoning."""
        self.reasoning_chars = 0
        """The size of the plain reasoning read, in characters."""
        self._refused = False
        self._writer = writer
        self._logprobs = logprobs
        self._form = form
        self._reasoning_fields = _reasoning_fields(quirks.reasoning_in)
        self._metadata = metadata
        self._calls: CallEntries | None = None  # most answers have none
        self._cumulative = CumulativeReasoning() if quirks.cumulative_details else None
        self.sources = SearchSources(writer)
        """The sources of the whole answer, which stand beside its choices."""

    def read(self, delta: DeltaShape, logprobs: Any = None, choice: int = 0, *, again: bool = False) -> None:
        """Reads a delta in the order of a turn: reasoning, text and its citations, refusal, calls.

        `choice`: the index of its choice, if several share the turn. `again`: its calls may be repetitions.
        """
        if (
            delta.reasoning_content
            or delta.reasoning
            or delta.reasoning_details
            or delta.reasoning_text
            or delta.thinking_blocks
        ):
            self._read_reasoning(delta)
        if delta.extra_content and is_signed(delta.extra_content):
            self._read_extra(delta.extra_content)
        shown = logprobs if self._logprobs else None
        if delta.content or shown:
            self._read_content(delta.content, shown)
        if delta.annotations:
            for annotation in delta.annotations if type(delta.annotations) is list else [delta.annotations]:
                self._read_annotation(annotation)
        if delta.refusal:
            self._read_refusal(delta.refusal)
        if delta.tool_calls or delta.function_call:
            self._read_calls(delta, choice, again)
        if delta.audio:
            self._writer.losses.add("message.audio")
        if delta.images:
            self._writer.losses.add("message.images")

    def _read_refusal(self, refusal: Any) -> None:
        self._refused = True
        if type(refusal) is str:
            self.output_chars += len(refusal)
            self._writer.refusal(refusal)
        else:
            self._writer.losses.add("message.refusal")

    def _read_content(self, content: Any, logprobs: Any) -> None:
        tokens = token_logprobs(logprobs) if logprobs else []
        is_text = type(content) is str and content != ""  # as nearly always: no need to look for pieces
        for kind, text in (("text", content),) if is_text else content_pieces(content):
            self.output_chars += len(text)
            if kind == "text":
                self.text_chars += len(text)
                self.last_text = text
                self._writer.text(text, tokens)
                tokens = []
            else:
                self._write_piece(kind, text)
        if tokens:  # part of a character: the token has a probability, but no text yet
            self._writer.text("", tokens)
        if type(logprobs) is dict and logprobs.get("refusal"):
            self._writer.losses.add("logprobs.refusal")

    def _read_reasoning(self, delta: DeltaShape) -> None:
        text = self._plain_reasoning(delta)  # the structures beside it repeat this text
        if text:
            self.output_chars += len(text)
            self.reasoning_chars += len(text)
            self.last_reasoning = text
            self._write_piece("reasoning", text)
        details = delta.reasoning_details
        if self._cumulative is not None and details:
            details = self._cumulative.increments(details)
        if details:
            self._read_structured("reasoning_details", details, text)
        if delta.thinking_blocks:
            self._read_structured("thinking_blocks", delta.thinking_blocks, text)

    def _read_structured(self, name: Structure, entries: Any, plain: str) -> None:
        """Reads entries with texts and signatures. `plain`: their text, if a field of its own has it too."""
        stored = self._metadata is not None and self._metadata.add(name, entries)
        self.output_chars += text_length(entries)
        for kind, text in structured_pieces(name, entries):
            if not (stored if kind == "lost" else plain):
                self._write_piece(kind, text)

    def _read_extra(self, extra: Any, call_id: Any = None) -> None:
        """Reads Gemini's signatures, on a call or on the message."""
        self.output_chars += weigh(extra)
        if self._metadata is None or not self._metadata.add_extra(extra, call_id):
            self._write_piece("lost", "extra_content" if call_id is None else "tool_calls.extra_content")

    def _plain_reasoning(self, delta: DeltaShape) -> str:
        for name in self._reasoning_fields:
            text = getattr(delta, name)
            if type(text) is str and text:
                return text
            if text and type(text) is not str:
                self._writer.losses.add(f"message.{name}")
        return ""

    def _write_piece(self, kind: str, text: str) -> None:
        if kind == "reasoning":
            if self._form != "hide":
                self._writer.reasoning(text, summary=self._form == "summary")
        elif kind == "refusal":
            self._writer.refusal(text)
        else:
            self._writer.losses.add(f"message.{text}")

    def _read_annotation(self, annotation: Any) -> None:
        flat = url_citation(annotation)
        if flat is None:
            self._writer.losses.add("message.annotations")
        else:
            self.sources.cited.add(flat["url"])
            self._writer.annotation(flat, in_turn=True)

    @property
    def has_calls(self) -> bool:
        """Whether there was a call, or a piece of one."""
        return self._calls is not None and self._calls.has_calls

    def has_output(self, field: str) -> bool:
        """Whether there was a refusal, or a citation; other fields are not recorded."""
        return self._refused if field == "refusal" else field == "annotations" and bool(self.sources.cited)

    def _read_calls(self, delta: DeltaShape, choice: int, again: bool) -> None:
        calls = self._calls
        if calls is None:
            calls = self._calls = CallEntries(self._writer, self._read_extra)
        before = calls.output_chars
        tool_calls = calls.without_repeats(delta.tool_calls) if again else delta.tool_calls
        calls.read(tool_calls, delta.function_call, choice)
        self.output_chars += calls.output_chars - before
        if not self.sources.late:
            self.sources.late = calls.has_calls

    def close(self, ending: Outcome) -> Outcome:
        """Writes what waited for the end of the turn; returns the outcome that results."""
        return ending if self._calls is None else self._calls.close(ending)
