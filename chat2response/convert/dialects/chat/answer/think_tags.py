"""`ThinkSplitter`: turns reasoning that a model writes into its text, between tags, into reasoning.

`<think>Hm.</think>\\n\\nYes.` is the reasoning `Hm.` and the text `Yes.`, wherever the deltas divide it. Tags
count only at the beginning of a turn's text, so that an answer may mention them; several blocks may follow
one another there. White space after a tag is dropped.
"""

from collections.abc import Sequence
from typing import Any, Literal

from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.wrapper import BufferingWrapper, partial_match_length


class ThinkSplitter(BufferingWrapper):
    """A wrapper around a Writer; `quirks.think_tags` are the tags, `form` says where reasoning goes."""

    def __init__(self, inner: Writer, quirks: Quirks, form: ReasoningForm) -> None:
        super().__init__(inner)
        self._form = form
        self._tags = quirks.think_tags
        self._closing = quirks.think_tags[0][1] if quirks.think_open else ""
        self._state: Literal["head", "thoughts", "text"] = "head"
        self._fresh = False  # just after an opening tag
        self._buffered = ""  # perhaps the beginning of a tag, or white space before one
        self._blank: list[str] = []  # white space after it, in the pieces as they came
        self._tokens: list[dict[str, Any]] = []  # the logprobs of the buffered text
        self._removed = 0  # characters of the text that became reasoning

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        if self._state == "text":
            self._inner.text(delta, logprobs, id=id)
            return
        if self._state == "head" and delta.isspace() and self._buffered.isspace():
            self._blank.append(delta)  # white space alone decides nothing
            self._tokens.extend(logprobs)
            return
        self._buffered = "".join((self._buffered, *self._blank, delta))
        self._blank.clear()
        self._tokens.extend(logprobs)
        while self._read_reasoning() if self._state == "thoughts" else self._read_head(id):
            pass

    def _read_head(self, id: str | None = None) -> bool:
        """Decides what begins here. True: reasoning. False: text, or not enough input to decide."""
        text = self._buffered.lstrip()
        for opening, closing in self._tags:
            if text.startswith(opening):
                return self._enter(text[len(opening) :], closing)
        if not text or any(opening.startswith(text) for opening, _ in self._tags):
            return False
        if self._closing:  # the opening tag was in the prompt
            return self._enter(text, self._closing)
        self._state = "text"
        self._write_text(text if self._removed else self._buffered, id)
        return False

    def _enter(self, remainder: str, closing: str) -> bool:
        self._cut_to(remainder)
        self._state, self._closing, self._fresh = "thoughts", closing, True
        return True

    def _read_reasoning(self) -> bool:
        """Writes reasoning. True: up to its closing tag. False: as far as it has come."""
        if self._fresh:
            self._cut_to(self._buffered.lstrip())
            self._fresh = not self._buffered
        reasoning, closing, remainder = self._buffered.partition(self._closing)
        if closing:
            self._cut_to(remainder)
            self._write_reasoning(reasoning)
            self._state, self._closing = "head", ""
            return True
        undecided = partial_match_length(reasoning, self._closing)
        self._cut_to(reasoning[len(reasoning) - undecided :])
        self._write_reasoning(reasoning[: len(reasoning) - undecided])
        return False

    def _cut_to(self, remainder: str) -> None:
        """Removes everything before `remainder` from the text."""
        self._removed += len(self._buffered) - len(remainder)
        self._buffered = remainder

    def _write_reasoning(self, reasoning: str) -> None:
        if self._tokens:
            self._tokens = []
            self.losses.add("logprobs", "dropped: logprobs of reasoning")
        if reasoning and self._form != "hide":
            self._inner.reasoning(reasoning, summary=self._form == "summary")

    def _write_text(self, text: str, id: str | None = None) -> None:
        tokens, self._tokens, self._buffered = self._tokens, [], ""
        if text or tokens:
            self._inner.text(text, tokens, id=id)

    def _flush(self) -> None:
        """Writes the buffered text as what it looks like: something else begins, or the turn ends."""
        buffered = self._buffered = "".join((self._buffered, *self._blank))
        self._blank.clear()
        if not buffered and not self._tokens:
            return
        if self._state == "thoughts" or self._closing:
            self._cut_to("")
            self._write_reasoning(buffered)
        elif self._removed and not buffered.strip():
            self._cut_to("")
        else:
            self._state = "text"
            self._write_text(buffered.lstrip() if self._removed else buffered)

    # -- what ends the text ------------------------------------------------------------------------

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        self._flush()
        if in_turn and self._removed:
            start, end = annotation.get("start_index", 0) - self._removed, annotation.get("end_index", 0)
            if start < 0:
                self.losses.add("message.annotations", "dropped: it belongs to reasoning")
                return
            annotation = {**annotation, "start_index": start, "end_index": end - self._removed}
        super().annotation(annotation, in_turn=in_turn, id=id)
