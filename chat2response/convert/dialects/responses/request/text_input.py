"""Writes `input` as one text, for Responses upstreams without lists of items (CHAT2RESPONSE_UPSTREAM_INPUT).

One user text is sent unchanged. More items become a transcript, entry by entry, so that a longer history
begins with the text of the shorter one; that is a loss, and recorded. What no text can express is refused.
"""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.validation import unsupported_field
from chat2response.errors import InvalidRequest

_Item = dict[str, Any]

_TEXTS = ("input_text", "output_text", "text")
_CALLS = ("function_call", "custom_tool_call")
_OUTPUTS = ("function_call_output", "custom_tool_call_output")


def input_as_text(items: Sequence[_Item], hub: HubRequest, losses: Losses) -> str:
    """The text that replaces `items`. Raises InvalidRequest, with the client's name of the field."""
    field = hub.field("input")
    if len(items) == 1 and _kind(items[0]) == "message" and items[0].get("role") == "user":
        return _text(items[0].get("content"), field)
    losses.add(field, "sent as a transcript")
    names = {item.get("call_id"): item.get("name") for item in items if _kind(item) in _CALLS}
    entries = (_entry(item, names, field, losses) for item in items)
    return "\n\n".join(entry for entry in entries if entry)


def fits_text_input(hub: HubRequest) -> bool:
    """Whether the request's items can be sent as one text."""
    items: Any = hub.body.get("input")
    try:
        return type(items) is list and bool(input_as_text(items, hub, Losses()))
    except InvalidRequest:
        return False


def _kind(item: _Item) -> Any:
    """The type of an item; the API allows a message without one."""
    return item.get("type") or ("message" if "role" in item else None)


def _entry(item: _Item, names: dict[Any, Any], field: str, losses: Losses) -> str:
    kind = _kind(item)
    if kind == "message":
        return f"{str(item.get('role')).capitalize()}: {_text(item.get('content'), field)}"
    if kind in _CALLS:
        return f"Assistant calls {item.get('name')}: {item.get('arguments') or item.get('input') or ''}"
    if kind in _OUTPUTS:
        return f"{names.get(item.get('call_id')) or 'A tool'} returns: {_text(item.get('output'), field)}"
    if kind == "reasoning":
        losses.add(f"{field}: reasoning")
        return ""
    raise _refusal(f"An item of type '{kind}'", field)


def _text(content: Any, field: str) -> str:
    """The text of a message or of a tool's output, one line per part."""
    if type(content) is str:
        return content
    return "\n".join(_part(part, field) for part in content or ())


def _part(part: Any, field: str) -> str:
    kind = part.get("type") if type(part) is dict else None
    if kind in _TEXTS or kind == "refusal":
        return str(part.get("text") or part.get("refusal") or "")
    raise _refusal(f"A content part of type '{kind}'", field)


def _refusal(what: str, field: str) -> InvalidRequest:
    return unsupported_field(
        field, f"{what} cannot be sent to this upstream, which accepts only text as input."
    )
