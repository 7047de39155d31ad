"""The output of a response as servers really write it, as the items that the API has.

A text stands where parts belong, an item comes twice, a key is spelled in another way. What is plain is read;
what has no place is a loss, by one name in streams and whole answers. A well-formed item stays as it is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chat2response.convert.dialects.chat.answer.unknown_keys import tells
from chat2response.convert.loose_values import as_string, short_name
from chat2response.convert.losses import Losses

_Item = dict[str, Any]

_EVERY = frozenset(
    {"type", "id", "status", "object", "created_at", "created_by", "metadata", "model", "agent"}
)
_KNOWN: dict[str, frozenset[str]] = {
    "message": _EVERY | {"role", "content", "phase", "name", "logprobs"},
    "reasoning": _EVERY | {"summary", "content", "encrypted_content", "format", "signature"},
    "function_call": _EVERY | {"call_id", "name", "arguments", "namespace", "index", "caller"},
    "custom_tool_call": _EVERY | {"call_id", "name", "input", "namespace", "index", "caller"},
}
_HOLDERS = {"message": ("content",), "reasoning": ("content", "summary")}
_TEXTS = frozenset({"output_text", "text", "reasoning_text", "summary_text", "refusal"})
_PART = frozenset(
    {"type", "text", "refusal", "annotations", "logprobs", "id", "index", "parsed", "obfuscation"}
)
_CONTENT = "output[message].content"
_UNKNOWN = "dropped: unknown"


def read_items(response: Mapping[str, Any], losses: Losses) -> Iterator[_Item]:
    """The items of a response, each once; those that are messages, reasoning or calls by `read_item`."""
    by_key: dict[tuple[str, str], list[_Item]] = {}
    for entry in _entries(response.get("output"), losses):
        item = read_item(entry, losses)
        kind, own = as_string(item.get("type")), item.get("call_id") or item.get("id")
        if type(own) is str and own:
            others = by_key.setdefault((kind, own), [])
            if item in others:
                continue
            others.append(item)
        yield item


def output_text(response: Mapping[str, Any], said: str, losses: Losses) -> str:
    """The text beside the output (`output_text`, as SDKs have it) where nothing else is `said`.

    What it says otherwise than the output is a loss.
    """
    text = response.get("output_text")
    if type(text) is not str or not text.strip() or text.strip() in said:
        return ""
    if not said.strip():
        return text
    losses.add("output_text", "dropped: it differs from the output")
    return ""


def read_item(item: _Item, losses: Losses) -> _Item:
    """The item in the form that the API has; the same object where it has it already."""
    kind = item.get("type")
    if kind is None and type(item.get("role")) is str and "content" in item:
        item = {**item, "type": "message"}
        kind = "message"
    known = _KNOWN.get(kind) if type(kind) is str else None
    if known is None:
        return item
    if not known.issuperset(item):
        _name_unknown(item, known, f"output[{short_name(kind)}]", losses)
    for holder in _HOLDERS.get(as_string(kind), ()):
        held = item.get(holder)
        parts = _parts(held, f"output[{short_name(kind)}].{holder}", losses) if held else held
        if parts is not held:
            item = {**item, holder: parts}
    return item


def _entries(output: Any, losses: Losses) -> Iterator[_Item]:
    """The objects of an output, also where they stand one level deeper."""
    if type(output) is dict:
        output = [output]
    elif type(output) is not list:
        if tells(output):
            losses.add("output", "dropped: no array of items")
        return
    for entry in output:
        if type(entry) is dict:
            yield entry
        elif type(entry) is list and entry and all(type(each) is dict for each in entry):
            yield from entry
        elif tells(entry):
            losses.add("output[?]")


def _parts(held: Any, where: str, losses: Losses) -> Any:
    """The parts of an item: the same list where each is one."""
    if type(held) is dict:
        held = [held]
    elif type(held) is str:
        return [{"type": "text", "text": held}]
    elif type(held) is not list:
        losses.add(where, "dropped: no parts")
        return []
    if all(_is_plain(part) for part in held):
        return held
    return [made for part in held if (made := _part(part, where, losses)) is not None]


def _is_plain(part: Any) -> bool:
    if type(part) is not dict or not _PART.issuperset(part):
        return False
    text = part.get("text", part.get("refusal"))
    return as_string(part.get("type")) in _TEXTS and type(text) is str


def _part(part: Any, where: str, losses: Losses) -> Any:
    """The part, or None where it has no text that can be read."""
    if type(part) is str:
        return {"type": "text", "text": part} if part else None
    if type(part) is not dict:
        if tells(part):
            losses.add(f"{where}[?]")
        return None
    kind = part.get("type")
    if kind is None and type(part.get("text")) is str:
        part = {**part, "type": "text"}
    text = part.get("text", part.get("refusal"))
    if as_string(kind) not in _TEXTS and kind is not None:
        if type(text) is str or where == _CONTENT:
            return part  # which kinds have a place, its reader knows
        losses.add(f"output.content[{short_name(kind)}]")
        return None
    if type(text) is not str and tells(text):
        losses.add(f"{where}[{short_name(kind)}]", "dropped: its text is none")
    if not _PART.issuperset(part):
        _name_unknown(part, _PART, f"{where}[{short_name(kind)}]", losses)
    return part


def _name_unknown(held: _Item, known: frozenset[str], where: str, losses: Losses) -> None:
    for key, value in held.items():
        if key not in known and tells(value):
            losses.add(f"{where}.{short_name(key)}", _UNKNOWN)
