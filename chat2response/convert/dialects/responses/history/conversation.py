"""Writes the hub's items for a Responses upstream, if they came from another dialect.

Only the listed keys are written; others are losses. Reasoning of another API is not sent: OpenAI refuses a
reasoning item that it did not create.
"""

from collections.abc import Callable
from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.dialects.chat.history.call_ids import fit_call_id
from chat2response.convert.dialects.responses.history.orphaned_calls import OrphanedCalls
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.validation import unsupported_field

_Item = dict[str, Any]
_Known = dict[str, frozenset[str]]

_MAX_CALL_ID = 64
_MESSAGE = frozenset({"type", "role", "content", "phase"})
_CALL = frozenset({"type", "call_id", "name", "arguments"})
_CUSTOM = frozenset({"type", "call_id", "name", "input"})
_OUTPUT = frozenset({"type", "call_id", "output"})
_REASONING = frozenset({"type", "summary", "content", "field"})

_BREAKPOINT = "prompt_cache_breakpoint"
_INPUT_PARTS: _Known = {
    "input_text": frozenset({"type", "text", _BREAKPOINT}),
    "input_image": frozenset({"type", "image_url", "file_id", "detail", _BREAKPOINT}),
    "input_file": frozenset({"type", "file_id", "file_data", "file_url", "filename", "detail", _BREAKPOINT}),
}
_OUTPUT_PARTS: _Known = {
    "output_text": frozenset({"type", "text", "annotations", "logprobs"}),
    "refusal": frozenset({"type", "refusal"}),
}


def write_items(hub: HubRequest, losses: Losses, policy: Policy = DEFAULT_POLICY) -> list[_Item]:
    """The input array. Raises InvalidRequest, with the client's path, for a part that cannot be sent."""
    out: list[_Item] = []
    input_items: Any = hub.body.get("input")
    orphans = OrphanedCalls.for_request(input_items, hub, losses, policy)
    for index, item in enumerate(input_items):
        if orphans is not None and orphans.drops(item, index):
            continue
        write = _WRITERS.get(item["type"])
        written = item if write is None else write(item, index, hub, losses)
        if written is not None:
            out.append(written)
        missing = orphans.missing_output(item, index) if orphans is not None else None
        if missing is not None:
            out.append(_with_valid_call_id(missing))
    return out


def _message(item: _Item, index: int, hub: HubRequest, losses: Losses) -> _Item:
    content = item["content"]
    if type(content) is list:
        known = _OUTPUT_PARTS if item["role"] == "assistant" else _INPUT_PARTS
        content = _parts(content, known, index, hub, losses)
    if not _MESSAGE.issuperset(item):
        item = unknown_fields.keep_known(item, _MESSAGE, hub.item_path(index), losses)
    return item if content is item["content"] else {**item, "content": content}


def _output(item: _Item, index: int, hub: HubRequest, losses: Losses) -> _Item:
    output = item["output"]
    if type(output) is list:
        output = _parts(output, _INPUT_PARTS, index, hub, losses)
    if not _OUTPUT.issuperset(item):
        item = unknown_fields.keep_known(item, _OUTPUT, hub.item_path(index), losses)
    return _with_valid_call_id(item if output is item["output"] else {**item, "output": output})


def _call(item: _Item, index: int, hub: HubRequest, losses: Losses) -> _Item:
    known = _CALL if item["type"] == "function_call" else _CUSTOM
    if not known.issuperset(item):
        item = unknown_fields.keep_known(item, known, hub.item_path(index), losses)
    return _with_valid_call_id(item)


def _with_valid_call_id(item: _Item) -> _Item:
    """The item with a `call_id` that the API accepts."""
    call_id = fit_call_id(item["call_id"], _MAX_CALL_ID)
    return item if call_id is item["call_id"] else {**item, "call_id": call_id}


def _reasoning(item: _Item, index: int, hub: HubRequest, losses: Losses) -> None:
    path = hub.item_path(index)
    losses.add(f"{path}.{item['field']}")
    unknown_fields.report_unknown(item, _REASONING, path, losses)


def _parts(content: list[_Item], known: _Known, index: int, hub: HubRequest, losses: Losses) -> list[_Item]:
    """The parts with their known keys; the same list if every key is known."""
    out = content
    for number, part in enumerate(content):
        keys = known.get(part["type"])
        if keys is not None and keys.issuperset(part):
            continue
        where = f"{hub.item_path(index)}.content[{number}]"
        if keys is None:
            message = f"A content part of type '{part['type']}' cannot be sent to a Responses upstream."
            raise unsupported_field(where, message)
        if out is content:
            out = list(content)
        out[number] = unknown_fields.keep_known(part, keys, where, losses)
    return out


_WRITERS: dict[str, Callable[[_Item, int, HubRequest, Losses], _Item | None]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "custom_tool_call": _call,
    "custom_tool_call_output": _output,
    "reasoning": _reasoning,
}
