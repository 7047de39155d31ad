"""`Thoughts`: the reasoning of one assistant turn of the history, on its way back to its backend.

Which turns get theirs back, and in what form, are quirks. What was opened from a seal is what the backend
wrote, byte for byte; what a client shows of it (parts of an item) stands in where nothing was sealed.
"""

from typing import Any

from chat2response.convert.dialects.chat.answer.provider_metadata import Carried
from chat2response.convert.quirks.quirks import Echo, Quirks
from chat2response.convert.sealed_reasoning import SealedReasoning

_THINK = ("<think>", "</think>")


class Thoughts:
    """Collects a turn's reasoning, then writes it. `echo`: whether it goes back, where another rule than the
    backend's counts."""

    __slots__ = ("_carried", "_echo", "_quirks", "_said")

    def __init__(self, quirks: Quirks, echo: Echo | None = None) -> None:
        self._quirks = quirks
        self._echo = echo or quirks.reasoning_echo
        self._said: list[str] = []  # joined once: a turn may have very many parts
        self._carried: Carried | None = None

    def shown(self, text: str) -> None:
        """A part of a reasoning item as the client shows it."""
        if self._said:
            self._said += ("\n\n", text)
        elif text:
            self._said.append(text)

    def opened(self, thought: SealedReasoning) -> None:
        """What was sealed in a reasoning item."""
        if thought.more:
            self._said += (thought.text,) if thought.text else ()
        elif thought.text:
            self.shown(thought.text)
        if thought.carried:
            if self._carried is None:
                self._carried = Carried()
            self._carried.join(thought.carried, more=thought.more)

    def due(self, calls: list[dict[str, Any]]) -> bool:
        """Whether the backend gets the turn's reasoning back."""
        if self._echo == "never" or (self._echo == "with_tools" and not calls):
            return False
        return bool(self._said or (self._carried is not None and self._carried.has_text))

    def put(self, message: dict[str, Any], calls: list[dict[str, Any]]) -> None:
        """Writes it on the assistant's message, whose content is written, and on its calls."""
        due = self.due(calls)
        if self._carried is not None:
            self._carried.put(message, calls, reasoning=due)
        if due and self._said and not (self._carried is not None and self._carried.has_text):
            self._write(message)

    def _write(self, message: dict[str, Any]) -> None:
        form, content, text = self._quirks.reasoning_form, message["content"], "".join(self._said)
        if form == "field":
            message[self._quirks.reasoning_field] = text
        elif form == "thinking_part":
            if type(content) is not list:
                content = [{"type": "text", "text": content}] if content else []
            part = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
            message["content"] = [part, *content]
        else:
            opening, closing = self._quirks.think_tags[0] if self._quirks.think_tags else _THINK
            said = f"{opening}\n{text}\n{closing}\n\n"
            if type(content) is list:
                message["content"] = [{"type": "text", "text": said}, *content]
            else:
                message["content"] = said + (content or "")


def sign(calls: list[dict[str, Any]], word: str) -> None:
    """Gives the first of a message's calls a signature that says that its own is not known."""
    calls[0].setdefault("extra_content", {"google": {"thought_signature": word}})
