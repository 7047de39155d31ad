"""What one delta of a Chat stream says, or one whole message: the same words, said on a writer.

A delta and a message have the same fields, so streams and whole answers are read by the same code.
"""

from typing import Any

from chat2response.convert.calls import CallKind
from chat2response.convert.chat.answer import (
    ReasoningForm,
    Structure,
    arguments_of,
    content_pieces,
    is_signed,
    structured_pieces,
    token_logprobs,
    url_citation,
    word,
)
from chat2response.convert.chat.carried import Carried
from chat2response.convert.chat.cumulative import Increments
from chat2response.convert.chat.slots import CallSlots
from chat2response.convert.chat.sources import Sources
from chat2response.convert.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.speech import Speech
from chat2response.convert.weight import texts, weigh
from chat2response.wire.chat import DeltaShape


class DeltaReader:
    """Reads the deltas of one turn onto `writer`. Never raises on data."""

    def __init__(
        self,
        writer: Speech,
        form: ReasoningForm,
        quirks: Quirks = OPENAI_COMPATIBLE,
        carried: Carried | None = None,
        *,
        logprobs: bool = True,
    ) -> None:
        """`logprobs`: whether they are shown."""
        self.said = 0
        """In characters; what a backend wants back beside its reasoning included."""
        self._writer = writer
        self._logprobs = logprobs
        self._form = form
        self._fields = quirks.reasoning_in
        self._carried = carried
        self._slots = CallSlots()
        self._increments = Increments() if quirks.cumulative_details else None
        self.sources = Sources(writer)
        """Those of the whole answer, which stand beside its choices."""

    def read(self, delta: DeltaShape, logprobs: Any = None) -> None:
        """Everything in it, in the order a turn has: thoughts, text and its citations, refusal, calls."""
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
        if delta.annotations and type(delta.annotations) is list:
            for annotation in delta.annotations:
                self._annotation(annotation)
        if delta.refusal and type(delta.refusal) is str:
            self.said += len(delta.refusal)
            self._writer.refusal(delta.refusal)
        if delta.tool_calls or delta.function_call:
            self._calls(delta.tool_calls, delta.function_call)
        if delta.audio:
            self._writer.losses.add("message.audio")
        if delta.images:
            self._writer.losses.add("message.images")

    def _content(self, content: Any, logprobs: Any) -> None:
        tokens = token_logprobs(logprobs)
        for kind, text in content_pieces(content):
            self.said += len(text)
            if kind == "text":
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
            self._piece("reasoning", text)
        details = delta.reasoning_details
        if self._increments is not None and details:
            details = self._increments.of(details)
        self._structured("reasoning_details", details, text)
        self._structured("thinking_blocks", delta.thinking_blocks, text)

    def _structured(self, name: Structure, entries: Any, plain: str) -> None:
        """Entries with texts and signatures. `plain`: their text, where it came in a field of its own too."""
        kept = self._carried is not None and self._carried.keep(name, entries)
        self.said += texts(entries)
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

    def _calls(self, tool_calls: Any, function_call: Any) -> None:
        taken: set[int] = set()
        for entry in tool_calls if type(tool_calls) is list else ():
            if type(entry) is dict:
                self._entry(entry, taken)
        if type(function_call) is dict:
            self._call(-1, "", function_call, taken)

    def _entry(self, entry: dict[str, Any], taken: set[int]) -> None:
        function, custom, call_id = entry.get("function"), entry.get("custom"), entry.get("id")
        call_id = call_id if type(call_id) is str else ""
        if entry.get("extra_content"):  # a signature; the call may be announced by this very entry
            self._extra(entry["extra_content"], call_id)
        if type(function) is dict:
            self._call(entry.get("index"), call_id, function, taken)
        elif type(custom) is dict:
            self._call(entry.get("index"), call_id, custom, taken, "custom")
        elif entry.get("type") not in (None, "function"):
            self._writer.losses.add(f"message.tool_calls[{word(entry['type'])}]")

    def _call(
        self, index: Any, call_id: str, called: dict[str, Any], taken: set[int], kind: CallKind = "function"
    ) -> None:
        name = called.get("name")
        name = name if type(name) is str else ""
        given = arguments_of(called.get("arguments" if kind == "function" else "input"))
        if call_id or name or given:
            self.sources.late = True
            self.said += len(given) + len(name) + len(call_id)
            slot = self._slots.find(index, call_id, name, given, taken)
            taken.add(slot)
            self._writer.call(slot, kind=kind, call_id=call_id, name=name, delta=given)
