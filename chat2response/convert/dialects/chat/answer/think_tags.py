"""`ThinkSplitter`: reasoning that a model writes into its text, between tags, becomes reasoning.

`<think>Hm.</think>\\n\\nYes.` is the reasoning `Hm.` and the text `Yes.`, however it is cut into deltas. Tags
count at the head of a turn's text only, so that an answer may speak of them; several blocks may follow one
another there. White space after a tag is dropped.
"""

from collections.abc import Sequence
from typing import Any, Literal

from chat2response.convert.policy import ReasoningForm
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.wrapper import BufferingWrapper, partial_match_length


class ThinkSplitter(BufferingWrapper):
    """Writer around a Writer; `quirks.think_tags` are the tags, `form` says where reasoning goes."""

    def __init__(self, inner: Writer, quirks: Quirks, form: ReasoningForm) -> None:
        super().__init__(inner)
        self._form = form
        self._tags = quirks.think_tags
        self._closing = quirks.think_tags[0][1] if quirks.think_open else ""
        self._at: Literal["head", "thoughts", "text"] = "head"
        self._fresh = False  # just after an opening tag
        self._held = ""  # may be the beginning of a tag, or the white space before one
        self._blank: list[str] = []  # white space behind it, in the pieces that it came in
        self._tokens: list[dict[str, Any]] = []  # the logprobs of what is held
        self._taken = 0  # characters that the text has lost to reasoning

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        if self._at == "text":
            self._inner.text(delta, logprobs, id=id)
            return
        if self._at == "head" and delta.isspace() and self._held.isspace():
            self._blank.append(delta)  # white space alone decides nothing
            self._tokens.extend(logprobs)
            return
        self._held = "".join((self._held, *self._blank, delta))
        self._blank.clear()
        self._tokens.extend(logprobs)
        while self._thoughts() if self._at == "thoughts" else self._head(id):
            pass

    def _head(self, id: str | None = None) -> bool:
        """What begins here: reasoning (True), or text; or more is needed to tell."""
        begun = self._held.lstrip()
        for opening, closing in self._tags:
            if begun.startswith(opening):
                return self._enter(begun[len(opening) :], closing)
        if not begun or any(opening.startswith(begun) for opening, _ in self._tags):
            return False
        if self._closing:  # the opening tag was in the prompt
            return self._enter(begun, self._closing)
        self._at = "text"
        self._say(begun if self._taken else self._held, id)
        return False

    def _enter(self, rest: str, closing: str) -> bool:
        self._keep(rest)
        self._at, self._closing, self._fresh = "thoughts", closing, True
        return True

    def _thoughts(self) -> bool:
        """Reasoning up to its closing tag (True), or as far as it has come."""
        if self._fresh:
            self._keep(self._held.lstrip())
            self._fresh = not self._held
        thought, closing, rest = self._held.partition(self._closing)
        if closing:
            self._keep(rest)
            self._think(thought)
            self._at, self._closing = "head", ""
            return True
        held = partial_match_length(thought, self._closing)
        self._keep(thought[len(thought) - held :])
        self._think(thought[: len(thought) - held])
        return False

    def _keep(self, rest: str) -> None:
        """What came before `rest` is no text."""
        self._taken += len(self._held) - len(rest)
        self._held = rest

    def _think(self, thought: str) -> None:
        if self._tokens:
            self._tokens = []
            self.losses.add("logprobs", "dropped: those of reasoning")
        if thought and self._form != "hide":
            self._inner.reasoning(thought, summary=self._form == "summary")

    def _say(self, text: str, id: str | None = None) -> None:
        tokens, self._tokens, self._held = self._tokens, [], ""
        if text or tokens:
            self._inner.text(text, tokens, id=id)

    def _flush(self) -> None:
        """Something else begins, or nothing more comes: what was held is what it looks like."""
        held = self._held = "".join((self._held, *self._blank))
        self._blank.clear()
        if not held and not self._tokens:
            return
        if self._at == "thoughts" or self._closing:
            self._keep("")
            self._think(held)
        elif self._taken and not held.strip():
            self._keep("")
        else:
            self._at = "text"
            self._say(held.lstrip() if self._taken else held)

    # -- what ends the text ------------------------------------------------------------------------

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        self._flush()
        if in_turn and self._taken:
            start, end = annotation.get("start_index", 0) - self._taken, annotation.get("end_index", 0)
            if start < 0:
                self.losses.add("message.annotations", "dropped: it belongs to reasoning")
                return
            annotation = {**annotation, "start_index": start, "end_index": end - self._taken}
        super().annotation(annotation, in_turn=in_turn, id=id)
