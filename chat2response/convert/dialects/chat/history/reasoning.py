"""Sends the reasoning of an assistant turn back to its backend.

Quirks decide which turns get their reasoning back, and in what form. Sealed reasoning is what the backend
wrote, byte for byte. Without a seal, the visible text (the parts of the reasoning item) replaces it.
"""

from typing import Any

from chat2response.convert.quirks.quirks import Quirks, ReasoningEcho
from chat2response.convert.reasoning.provider_metadata import ProviderMetadata
from chat2response.convert.reasoning.sealed_reasoning import SealedReasoning

_THINK = ("<think>", "</think>")


class TurnReasoning:
    """Collects the reasoning of a turn, then writes it. `echo` overrides the quirk `reasoning_echo`."""

    __slots__ = ("_echo", "_metadata", "_quirks", "_texts")

    def __init__(self, quirks: Quirks, echo: ReasoningEcho | None = None) -> None:
        self._quirks = quirks
        self._echo = echo or quirks.reasoning_echo
        self._texts: list[str] = []  # joined once at the end: a turn may have very many parts
        self._metadata: ProviderMetadata | None = None

    def add_visible(self, text: str) -> None:
        """Adds the text of one part of a reasoning item, as the client sends it."""
        if self._texts:
            self._texts += ("\n\n", text)
        elif text:
            self._texts.append(text)

    def add_sealed(self, sealed: SealedReasoning) -> None:
        """Adds the reasoning that was sealed in an item's `encrypted_content`."""
        if sealed.more:
            self._texts += (sealed.text,) if sealed.text else ()
        elif sealed.text:
            self.add_visible(sealed.text)
        if sealed.carried:
            if self._metadata is None:
                self._metadata = ProviderMetadata()
            self._metadata.join(sealed.carried, more=sealed.more)

    def is_sent_back(self, calls: list[dict[str, Any]]) -> bool:
        """Whether the backend gets the reasoning of this turn back."""
        if self._echo == "never" or (self._echo == "with_tools" and not calls):
            return False
        return bool(self._texts or (self._metadata is not None and self._metadata.has_text))

    def write_to(self, message: dict[str, Any], calls: list[dict[str, Any]]) -> None:
        """Writes the reasoning into the assistant message and its calls. Its content is already there."""
        is_sent_back = self.is_sent_back(calls)
        if self._metadata is not None:
            self._metadata.put(message, calls, reasoning=is_sent_back)
        if is_sent_back and self._texts and not (self._metadata is not None and self._metadata.has_text):
            self._write(message)

    def _write(self, message: dict[str, Any]) -> None:
        form, content, text = self._quirks.reasoning_form, message["content"], "".join(self._texts)
        if form == "field":
            message[self._quirks.reasoning_field] = text
        elif form == "thinking_part":
            if type(content) is not list:
                content = [{"type": "text", "text": content}] if content else []
            part = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
            message["content"] = [part, *content]
        else:
            opening, closing = self._quirks.think_tags[0] if self._quirks.think_tags else _THINK
            tagged = f"{opening}\n{text}\n{closing}\n\n"
            if type(content) is list:
                message["content"] = [{"type": "text", "text": tagged}, *content]
            else:
                message["content"] = tagged + (content or "")


def add_missing_signature(calls: list[dict[str, Any]], signature: str) -> None:
    """Gives the first call of a message the placeholder for an unknown signature (Gemini requires one)."""
    calls[0].setdefault("extra_content", {"google": {"thought_signature": signature}})
