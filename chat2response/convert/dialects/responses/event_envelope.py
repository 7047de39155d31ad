"""Events of a Responses stream that do not say their type where it belongs, or are no events.

    event: response.output_text.delta       the type in the event's name alone
    {"event": "...", "data": {...}}         one level deeper, and under another key
    {"object": "response", "output": ...}   the response itself, in place of its terminal event

Each is read as the event that it stands for. Nothing of this runs for an event that says its type.
"""

from typing import Any

from chat2response.convert import outcome
from chat2response.convert.dialects.chat.answer.unknown_keys import tells
from chat2response.convert.loose_values import as_string

_Event = dict[str, Any]

_WRAPPERS = ("data", "event", "response", "payload", "result", "message", "body")
_BARE = ("data", "payload", "body")  # what stands in them need not say its type again
_NAMES = ("type", "event", "event_type", "name")
_BEGINNINGS = ("response.created", "response.in_progress", "response.queued")
_ENDS = ("completed", "incomplete", "failed", "cancelled")
_WORDS = (
    *("delta", "text", "content", "value", "item", "part", "arguments", "input", "refusal", "transcript"),
    *("message", "thinking", "reasoning", "summary", "output", "output_text", "output_item", "choices"),
)


def opened(event: _Event, name: str) -> _Event:
    """The event in `event`, which has no type that is known. `name`: that of its frame, or nothing."""
    for _ in range(3):
        if (inner := _wrapped(event)) is None:
            break
        event = inner
    if not event.get("type") and _is_type(name):
        event = {**event, "type": name}
    if not event.get("type") and is_end(event):
        return {"type": "response.done", "response": event}
    return event


def is_wrapped(event: _Event) -> bool:
    """Whether another event stands in it, whatever type it says itself."""
    return _wrapped(event) is not None


def _wrapped(event: _Event) -> _Event | None:
    given = next((each for key in _NAMES if _is_type(each := event.get(key))), None)
    for key in _WRAPPERS:
        inner = event.get(key)
        if type(inner) is dict and _is_type(inner.get("type")):
            return inner
        if type(inner) is dict and given is not None and key in _BARE:
            return {**inner, "type": given}
    return None


def response_in(event: _Event) -> _Event:
    """The response of a terminal event: one key deeper, or the event itself."""
    response = event.get("response")
    if type(response) is dict:
        return response
    return event if "output" in event or event.get("object") == "response" else {}


def is_end(response: _Event) -> bool:
    """Whether it is a response that has ended, and says so."""
    if response.get("object") != "response" and type(response.get("output")) is not list:
        return False
    return bool(response.get("status")) and outcome.status_of(response) in _ENDS


def is_other_end(event: _Event) -> bool:
    """Whether an event of an unknown type ends the answer: it carries a response that has ended."""
    kind = as_string(event.get("type"))
    return kind.count(".") == 1 and kind not in _BEGINNINGS and is_end(response_in(event))


def has_words(event: _Event) -> bool:
    """Whether an event that nobody knows may hold what the model said."""
    return any(tells(event.get(key)) for key in _WORDS)


def text_of(event: _Event) -> str | None:
    """The text of a delta that is no text, or stands under another key; None where there is none."""
    for held in (event.get("delta"), *(event.get(key) for key in ("text", "content", "value"))):
        if held is not None and (text := _text(held)) is not None:
            return text
    return None


def _text(held: Any) -> str | None:
    if type(held) is list:
        texts = [_text(each) for each in held]
        return None if None in texts else "".join(text for text in texts if text)
    if type(held) is dict:
        held = next((held[key] for key in ("text", "value", "content", "delta") if key in held), None)
    return held if type(held) is str else None


def _is_type(value: Any) -> bool:
    return type(value) is str and value.startswith("response.")
