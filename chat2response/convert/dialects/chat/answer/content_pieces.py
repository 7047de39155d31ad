"""Reads the loosely typed values inside a Chat answer: contents, reasoning, citations.

Backends put reasoning in different places (`reasoning_content`, `reasoning`, `reasoning_details`, `thinking`
parts inside `content`) and write other types where a string belongs. Nothing here raises, and nothing walks
deeper than the known shapes: the values come from outside.
"""

from collections.abc import Iterator
from typing import Any, Literal

from chat2response.convert.loose_values import as_objects, as_string, short_name
from chat2response.convert.reasoning.provider_metadata import Structure

Piece = tuple[Literal["text", "reasoning", "refusal", "lost"], str]


def content_pieces(content: Any) -> Iterator[Piece]:
    """Yields the pieces of a `content`: a string, null, or (Mistral, Databricks) a list; none is empty.

    A part that no response can hold yields `("lost", its path)`.
    """
    if type(content) is str:
        if content:
            yield "text", content
    elif type(content) is list:
        for part in content:
            yield from _part_pieces(part)
    elif type(content) is dict:
        yield from _part_pieces(content)
    elif content is not None:
        yield "lost", "content"


def structured_pieces(name: Structure, entries: Any) -> Iterator[Piece]:
    """The texts of OpenRouter's details and LiteLLM's blocks; signed and encrypted parts are lost."""
    for entry in as_objects(entries):
        text = entry.get("text") or entry.get("summary") or entry.get("thinking")
        if type(text) is str and text:
            yield "reasoning", text
        for key in ("signature", "data"):
            if entry.get(key):
                yield "lost", f"{name}.{key}"


def is_signed(extra: Any) -> bool:
    """Whether an `extra_content` has a signature; otherwise it only labels its delta (`thought: true`)."""
    return type(extra) is dict and any(
        type(vendor) is dict and vendor.get("thought_signature") for vendor in extra.values()
    )


def url_citation(annotation: Any) -> dict[str, Any] | None:
    """Flattens a Chat annotation into the form of Responses; None for an unknown kind."""
    if type(annotation) is not dict:
        return None
    nested = annotation.get("url_citation")
    if type(nested) is not dict:
        nested = annotation if annotation.get("type") == "url_citation" else {}
    if type(nested.get("url")) is not str:
        return None
    return {
        "type": "url_citation",
        "url": nested["url"],
        "title": as_string(nested.get("title")),
        "start_index": _text_index(nested.get("start_index")),
        "end_index": _text_index(nested.get("end_index")),
    }


def _part_pieces(part: Any) -> Iterator[Piece]:
    if type(part) is str:
        if part:
            yield "text", part
        return
    kind = part.get("type") if type(part) is dict else None
    if kind in ("text", "output_text") and type(part.get("text")) is str:
        if part["text"]:
            yield "text", part["text"]
    elif kind == "refusal" and type(part.get("refusal")) is str:
        if part["refusal"]:
            yield "refusal", part["refusal"]
    elif kind in ("thinking", "reasoning"):
        value = part.get("thinking") or part.get("summary") or part.get("reasoning") or part.get("text")
        if text := _joined_text(value):
            yield "reasoning", text
    else:
        yield "lost", f"content[{short_name(kind)}]"


def _joined_text(value: Any) -> str:
    """The text of `[{type: summary_text, text}]`, `[{type: text, text}]` or of a plain string."""
    if type(value) is not list:
        return as_string(value)
    return "".join(as_string(part.get("text") if type(part) is dict else part) for part in value)


def _text_index(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0
