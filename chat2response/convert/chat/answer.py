"""The pieces of a Chat answer, read alike from a delta and from a whole message.

Backends differ in where they put reasoning (`reasoning_content`, `reasoning`, `thinking` parts inside
`content`) and in what they write where a string belongs; `protocol/responses.md` (e) lists them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from chat2response.wire.json import encode

Piece = tuple[Literal["text", "reasoning", "refusal", "lost"], str]

ReasoningForm = Literal["summary", "content", "hide"]
"""Where reasoning goes in a response: `summary` parts, raw `content`, or nowhere."""


def content_pieces(content: Any) -> Iterator[Piece]:
    """A `content` that is a string, null, or (Mistral, Databricks) a list of parts; empty pieces left out.

    A part that no response can hold is `("lost", its type)`.
    """
    if type(content) is str:
        if content:
            yield "text", content
    elif type(content) is list:
        for part in content:
            yield from _part_pieces(part)


def reasoning_of(message: Any) -> str:
    """The reasoning beside the content; the two field names carry the same text where both come."""
    for text in (message.get("reasoning_content"), message.get("reasoning")):
        if type(text) is str and text:
            return text
    return ""


def arguments_of(value: Any) -> str:
    """A call's arguments as JSON text; some backends write the object itself."""
    if type(value) is str:
        return value
    return "" if value is None else encode(value).decode()


def url_citation(annotation: Any) -> dict[str, Any] | None:
    """A Chat annotation, flat as Responses writes it; None for a kind it does not have."""
    if type(annotation) is not dict:
        return None
    nested = annotation.get("url_citation")
    if type(nested) is not dict:
        return annotation if annotation.get("type") == "url_citation" and "url" in annotation else None
    return {
        "type": "url_citation",
        "url": nested.get("url", ""),
        "title": nested.get("title", ""),
        "start_index": nested.get("start_index", 0),
        "end_index": nested.get("end_index", 0),
    }


def token_logprobs(logprobs: Any) -> list[dict[str, Any]]:
    """`logprobs.content` with the byte lists Responses requires (Chat allows null)."""
    tokens = logprobs.get("content") if type(logprobs) is dict else None
    if type(tokens) is not list:
        return []
    return [_token(token) for token in tokens if type(token) is dict]


def _token(token: Mapping[str, Any]) -> dict[str, Any]:
    top = token.get("top_logprobs")
    return {
        **_one_token(token),
        "top_logprobs": [_one_token(each) for each in top if type(each) is dict] if type(top) is list else [],
    }


def _one_token(token: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "token": token.get("token", ""),
        "logprob": token.get("logprob", 0.0),
        "bytes": token.get("bytes") or [],
    }


def _part_pieces(part: Any) -> Iterator[Piece]:
    if type(part) is str:
        if part:
            yield "text", part
        return
    if type(part) is not dict:
        yield "lost", "content"
        return
    kind = part.get("type")
    if kind in ("text", "output_text"):
        yield from content_pieces(part.get("text"))
    elif kind == "refusal" and type(part.get("refusal")) is str:
        yield "refusal", part["refusal"]
    elif kind in ("thinking", "reasoning"):
        held = part.get("thinking") or part.get("summary") or part.get("reasoning") or part.get("text")
        yield from (("reasoning", text) for _, text in content_pieces(_as_texts(held)))
    else:
        yield "lost", str(kind)


def _as_texts(held: Any) -> Any:
    """`[{type: summary_text, text}]` and `[{type: text, text}]` alike."""
    if type(held) is not list:
        return held
    return [part.get("text", "") if type(part) is dict else part for part in held]
