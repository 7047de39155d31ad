"""The pieces of a Chat answer, made sense of.

Backends differ in where they put reasoning (`reasoning_content`, `reasoning`, `reasoning_details`,
`thinking` parts inside `content`) and in what they write where a string belongs. Nothing here raises, and
nothing is walked deeper than the known shapes go: the values are a stranger's.
"""

from collections.abc import Iterator
from typing import Any, Literal

from chat2response.convert.loose_values import as_objects, as_string, short_name
from chat2response.wire.json import encode, too_deep

Structure = Literal["reasoning_details", "thinking_blocks"]

Piece = tuple[Literal["text", "reasoning", "refusal", "lost"], str]


def content_pieces(content: Any) -> Iterator[Piece]:
    """A `content` that is a string, null, or (Mistral, Databricks) a list of parts; empty pieces left out.

    A part that no response can hold is `("lost", its place)`.
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
    """OpenRouter's details and LiteLLM's blocks: texts and summaries; signed and encrypted parts are lost."""
    for entry in as_objects(entries):
        text = entry.get("text") or entry.get("summary") or entry.get("thinking")
        if type(text) is str and text:
            yield "reasoning", text
        for key in ("signature", "data"):
            if entry.get(key):
                yield "lost", f"{name}.{key}"


def is_signed(extra: Any) -> bool:
    """Whether an `extra_content` holds a signature; else it only labels its delta (`thought: true`)."""
    return type(extra) is dict and any(
        type(vendor) is dict and vendor.get("thought_signature") for vendor in extra.values()
    )


def arguments_of(value: Any) -> str:
    """A call's arguments as JSON text; some backends write the object itself."""
    if type(value) is str:
        return value
    return "" if value is None or too_deep(value) else encode(value).decode()


def url_citation(annotation: Any) -> dict[str, Any] | None:
    """A Chat annotation, flat as Responses writes it; None for a kind it does not have."""
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
        "start_index": _place(nested.get("start_index")),
        "end_index": _place(nested.get("end_index")),
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
        held = part.get("thinking") or part.get("summary") or part.get("reasoning") or part.get("text")
        if text := _joined(held):
            yield "reasoning", text
    else:
        yield "lost", f"content[{short_name(kind)}]"


def _joined(held: Any) -> str:
    """`[{type: summary_text, text}]`, `[{type: text, text}]` and plain text alike."""
    if type(held) is not list:
        return as_string(held)
    return "".join(as_string(part.get("text") if type(part) is dict else part) for part in held)


def _place(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0
