"""Unwraps events of a Responses stream that have their type in the wrong place.

    event: response.output_text.delta       the type is only in the event's name
    {"event": "...", "data": {...}}         the event is one level deeper, under another key
    {"object": "response", "output": ...}   the response itself stands in place of its terminal event

Events that have their type in the right place never come here.
"""

from typing import Any

from chat2response.convert import outcome
from chat2response.convert.loose_values import as_string, may_have_text

_Event = dict[str, Any]

_WRAPPERS = ("data", "event", "response", "payload", "result", "message", "body")
_BARE = ("data", "payload", "body")  # an event under these keys may lack its type
_TYPE_KEYS = ("type", "event", "event_type", "name")
_FIRST_EVENTS = ("response.created", "response.in_progress", "response.queued")
_FINAL_STATUSES = ("completed", "incomplete", "failed", "cancelled")
_OUTPUT_KEYS = (
    *("delta", "text", "content", "value", "item", "part", "arguments", "input", "refusal", "transcript"),
    *("message", "thinking", "reasoning", "summary", "output", "output_text", "output_item", "choices"),
)


def unwrap(event: _Event, name: str) -> _Event:
    """The event inside `event`, whose own type is unknown. `name`: the SSE event name, or empty."""
    for _ in range(3):
        if (inner := _inner_event(event)) is None:
            break
        event = inner
    if not event.get("type") and _is_type(name):
        event = {**event, "type": name}
    if not event.get("type") and is_finished(event):
        return {"type": "response.done", "response": event}
    return event


def is_wrapped(event: _Event) -> bool:
    """Whether it contains another event, whatever its own type."""
    return _inner_event(event) is not None


def _inner_event(event: _Event) -> _Event | None:
    event_type = next((each for key in _TYPE_KEYS if _is_type(each := event.get(key))), None)
    for key in _WRAPPERS:
        inner = event.get(key)
        if type(inner) is dict and _is_type(inner.get("type")):
            return inner
        if type(inner) is dict and event_type is not None and key in _BARE:
            return {**inner, "type": event_type}
    return None


def response_of(event: _Event) -> _Event:
    """The response of a terminal event: one key deeper, or the event itself."""
    response = event.get("response")
    if type(response) is dict:
        return response
    return event if "output" in event or event.get("object") == "response" else {}


def is_finished(response: _Event) -> bool:
    """Whether it is a response with the status of a finished one."""
    if response.get("object") != "response" and type(response.get("output")) is not list:
        return False
    return bool(response.get("status")) and outcome.status_of(response) in _FINAL_STATUSES


def ends_answer(event: _Event) -> bool:
    """Whether an event of an unknown type ends the answer, because it contains a finished response."""
    kind = as_string(event.get("type"))
    return kind.count(".") == 1 and kind not in _FIRST_EVENTS and is_finished(response_of(event))


def has_output(event: _Event) -> bool:
    """Whether an event of an unknown type may contain output of the model."""
    return any(may_have_text(event.get(key)) for key in _OUTPUT_KEYS)


def delta_text(event: _Event) -> str | None:
    """The text of a delta that is no string, or has another key; None without any text."""
    for value in (event.get("delta"), *(event.get(key) for key in ("text", "content", "value"))):
        if value is not None and (text := _text(value)) is not None:
            return text
    return None


def _text(value: Any) -> str | None:
    if type(value) is list:
        texts = [_text(each) for each in value]
        return None if None in texts else "".join(text for text in texts if text)
    if type(value) is dict:
        value = next((value[key] for key in ("text", "value", "content", "delta") if key in value), None)
    return value if type(value) is str else None


def _is_type(value: Any) -> bool:
    return type(value) is str and value.startswith("response.")
