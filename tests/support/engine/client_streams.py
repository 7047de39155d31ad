"""What a client finds in a stream, of either dialect."""

from typing import Any

from tests.support.engine.fakes import events_of


def text_of(out: bytes) -> str:
    """The text that the client got, of the first choice."""
    text = ""
    for event in events_of(out):
        if event == "[DONE]":
            continue
        if event.get("type") == "response.output_text.delta":
            text += event["delta"]
        for choice in event.get("choices", ()):
            if choice["index"] == 0:
                text += choice["delta"].get("content") or ""
    return text


def ends_of(out: bytes) -> list[Any]:
    """The terminal events: errors, ends of a response, and what `[DONE]` ends."""
    kinds = ("response.completed", "response.incomplete", "response.failed", "error")
    return [
        each for each in events_of(out) if each != "[DONE]" and (each.get("type") in kinds or "error" in each)
    ]
