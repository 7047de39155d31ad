"""The output items and parts, built in one place for streams and whole answers alike.

`logprobs` and `annotations` are always there (Open Responses of January asks for them); keys that may be
absent but not null (`encrypted_content`, a reasoning item's `content`) are left out until they have a value.
"""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.events import TEXT, Kind
from chat2response.wire.responses import ItemStatus

ItemDict = dict[str, Any]


def message(item_id: str, status: ItemStatus = "in_progress") -> ItemDict:
    """An assistant message without parts."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": []}


def reasoning(item_id: str, status: ItemStatus = "in_progress") -> ItemDict:
    """A reasoning item without text."""
    return {"id": item_id, "type": "reasoning", "status": status, "summary": []}


def function_call(
    item_id: str,
    call_id: str,
    name: str,
    namespace: str | None = None,
    arguments: str = "",
    status: ItemStatus = "in_progress",
) -> ItemDict:
    """A call of a client's function."""
    item: ItemDict = {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }
    if namespace is not None:
        item["namespace"] = namespace
    return item


def part(
    kind: Kind, text: str = "", annotations: Sequence[Any] = (), logprobs: Sequence[Any] = ()
) -> dict[str, Any]:
    """A part of a message or a reasoning item."""
    if kind is TEXT:
        return {
            "type": "output_text",
            "text": text,
            "annotations": list(annotations),
            "logprobs": list(logprobs),
        }
    return {"type": kind.part, kind.value: text}
