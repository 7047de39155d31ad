"""Builds output items and parts, for streams and whole answers alike.

`logprobs` and `annotations` are always present, because Open Responses (January 2026) requires them. Keys
that may be absent but not null (`encrypted_content`, the `content` of a reasoning item) are left out until
they have a value.
"""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.losses import Losses
from chat2response.convert.writer.events import REASONING, TEXT, Kind
from chat2response.wire.responses import ItemStatus

ItemDict = dict[str, Any]

_PREFIXES = {
    "apply_patch_call": "apc",
    "code_interpreter_call": "ci",
    "compaction": "cmp",
    "computer_call": "cu",
    "file_search_call": "fs",
    "image_generation_call": "ig",
    "local_shell_call": "lsh",
    "mcp_approval_request": "mcpr",
    "mcp_call": "mcp",
    "mcp_list_tools": "mcpl",
    "shell_call": "sh",
    "tool_search_call": "tsc",
    "web_search_call": "ws",
}
ITEMS_WITH_EVENTS = frozenset(
    {
        "code_interpreter_call",
        "file_search_call",
        "image_generation_call",
        "mcp_call",
        "mcp_list_tools",
        "shell_call",
        "web_search_call",
    }
)
"""The types of items that have events of their own while they are in progress."""


def id_prefix(item_type: str) -> str:
    """The prefix of the ids of items of this type."""
    return _PREFIXES.get(item_type, "item")


def makes_call(item_type: str) -> bool:
    """Whether the `call_id` of such an item is its own, rather than that of the call it answers."""
    return item_type.endswith("_call")


def message(item_id: str, status: ItemStatus = "in_progress") -> ItemDict:
    """An assistant message without parts."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": []}


def reasoning(item_id: str, status: ItemStatus = "in_progress") -> ItemDict:
    """A reasoning item without text."""
    return {"id": item_id, "type": "reasoning", "status": status, "summary": []}


def call(
    kind: Kind,
    item_id: str,
    call_id: str,
    name: str,
    namespace: str | None = None,
    text: str = "",
    status: ItemStatus = "in_progress",
) -> ItemDict:
    """A call of a client's function (`ARGUMENTS`) or custom tool (`INPUT`); `text` is its argument."""
    item: ItemDict = {
        "id": item_id,
        "type": kind.item,
        "status": status,
        "call_id": call_id,
        "name": name,
        kind.value: text,
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


def fits(item: ItemDict, kind: Kind) -> bool:
    """Whether a part of this kind may come next in the item: raw reasoning must precede its summary."""
    if item["type"] != kind.item:
        return False
    return kind is not REASONING or not item["summary"]


def move_citation(
    annotation: dict[str, Any], by: int, open_part: Kind | None, losses: Losses
) -> dict[str, Any] | None:
    """The citation with its indices moved into the open part; None, and a loss, if they are outside it."""
    start, end = annotation.get("start_index"), annotation.get("end_index")
    if open_part is TEXT and type(start) is int and type(end) is int and start + by >= 0:
        return {**annotation, "start_index": start + by, "end_index": end + by}
    losses.add("message.annotations", "dropped: the text it belongs to had ended")
    return None
