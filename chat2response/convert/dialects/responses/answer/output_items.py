"""Normalizes the output items that servers really send into the form of the API.

A text may stand in place of parts, an item may come twice, a key may have another spelling. What is clear is
read; what has no place is a loss, with the same name in streams and whole answers. A well-formed item stays
unchanged.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chat2response.convert.loose_values import as_string, may_have_text, short_name
from chat2response.convert.losses import Losses

_Item = dict[str, Any]

_COMMON_KEYS = frozenset(
    {"type", "id", "status", "object", "created_at", "created_by", "metadata", "model", "agent"}
)
_KNOWN_KEYS: dict[str, frozenset[str]] = {
    "message": _COMMON_KEYS | {"role", "content", "phase", "name", "logprobs"},
    "reasoning": _COMMON_KEYS | {"summary", "content", "encrypted_content", "format", "signature"},
    "function_call": _COMMON_KEYS | {"call_id", "name", "arguments", "namespace", "index", "caller"},
    "custom_tool_call": _COMMON_KEYS | {"call_id", "name", "input", "namespace", "index", "caller"},
}
_HOLDERS = {"message": ("content",), "reasoning": ("content", "summary")}
_TEXTS = frozenset({"output_text", "text", "reasoning_text", "summary_text", "refusal"})
_PART_KEYS = frozenset(
    {"type", "text", "refusal", "annotations", "logprobs", "id", "index", "parsed", "obfuscation"}
)
_CONTENT = "output[message].content"
_UNKNOWN = "dropped: unknown field"


def read_items(response: Mapping[str, Any], losses: Losses) -> Iterator[_Item]:
    """The items of a response, each once; messages, reasoning and calls are normalized by `read_item`."""
    by_key: dict[tuple[str, str], list[_Item]] = {}
    for entry in _entries(response.get("output"), losses):
        item = read_item(entry, losses)
        kind, item_id = as_string(item.get("type")), item.get("call_id") or item.get("id")
        if type(item_id) is str and item_id:
            others = by_key.setdefault((kind, item_id), [])
            if item in others:
                continue
            others.append(item)
        yield item


def output_text(response: Mapping[str, Any], text: str, losses: Losses) -> str:
    """The text beside the output (`output_text`, a property of the SDKs) if the output itself has no `text`.

    A text that differs from the output's is a loss.
    """
    beside = response.get("output_text")
    if type(beside) is not str or not beside.strip() or beside.strip() in text:
        return ""
    if not text.strip():
        return beside
    losses.add("output_text", "dropped: it differs from the output")
    return ""


def read_item(item: _Item, losses: Losses) -> _Item:
    """The item in the form of the API; the same object if it already has it."""
    kind = item.get("type")
    if kind is None and type(item.get("role")) is str and "content" in item:
        item = {**item, "type": "message"}
        kind = "message"
    known = _KNOWN_KEYS.get(kind) if type(kind) is str else None
    if known is None:
        return item
    if not known.issuperset(item):
        _report_unknown(item, known, f"output[{short_name(kind)}]", losses)
    for holder in _HOLDERS.get(as_string(kind), ()):
        value = item.get(holder)
        parts = _parts(value, f"output[{short_name(kind)}].{holder}", losses) if value else value
        if parts is not value:
            item = {**item, holder: parts}
    return item


def _entries(output: Any, losses: Losses) -> Iterator[_Item]:
    """The objects of an output, also if they are one level deeper."""
    if type(output) is dict:
        output = [output]
    elif type(output) is not list:
        if may_have_text(output):
            losses.add("output", "dropped: not an array of items")
        return
    for entry in output:
        if type(entry) is dict:
            yield entry
        elif type(entry) is list and entry and all(type(each) is dict for each in entry):
            yield from entry
        elif may_have_text(entry):
            losses.add("output[?]")


def _parts(value: Any, where: str, losses: Losses) -> Any:
    """The parts of an item; the same list if each one is well-formed."""
    if type(value) is dict:
        value = [value]
    elif type(value) is str:
        return [{"type": "text", "text": value}]
    elif type(value) is not list:
        losses.add(where, "dropped: not a list of parts")
        return []
    if all(_is_plain(part) for part in value):
        return value
    return [read for part in value if (read := _part(part, where, losses)) is not None]


def _is_plain(part: Any) -> bool:
    if type(part) is not dict or not _PART_KEYS.issuperset(part):
        return False
    text = part.get("text", part.get("refusal"))
    return as_string(part.get("type")) in _TEXTS and type(text) is str


def _part(part: Any, where: str, losses: Losses) -> Any:
    """The part, or None if it has no readable text."""
    if type(part) is str:
        return {"type": "text", "text": part} if part else None
    if type(part) is not dict:
        if may_have_text(part):
            losses.add(f"{where}[?]")
        return None
    kind = part.get("type")
    if kind is None and type(part.get("text")) is str:
        part = {**part, "type": "text"}
    text = part.get("text", part.get("refusal"))
    if as_string(kind) not in _TEXTS and kind is not None:
        if type(text) is str or where == _CONTENT:
            return part  # the caller knows which types have a place
        losses.add(f"output.content[{short_name(kind)}]")
        return None
    if type(text) is not str and may_have_text(text):
        losses.add(f"{where}[{short_name(kind)}]", "dropped: its text is not a string")
    if not _PART_KEYS.issuperset(part):
        _report_unknown(part, _PART_KEYS, f"{where}[{short_name(kind)}]", losses)
    return part


def _report_unknown(fields: _Item, known: frozenset[str], where: str, losses: Losses) -> None:
    for key, value in fields.items():
        if key not in known and may_have_text(value):
            losses.add(f"{where}.{short_name(key)}", _UNKNOWN)
