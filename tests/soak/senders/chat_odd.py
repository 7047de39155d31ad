"""`ODD`: changes to Chat chunks after which something is missing, misplaced or of a wrong type, by name.

Several results are acceptable, but content must never vanish silently.
"""

import json
import random
from collections.abc import Callable
from typing import Any

from tests.soak.senders.changes import Change, Events, missing, swapped, twice
from tests.soak.senders.chat import choice_of, delta_of, end_of, entries_of, like


def _without_names(chunks: Events, rng: random.Random) -> Events:
    for entry in entries_of(chunks):
        entry["function"].pop("name", None)
    return chunks


def _other_index(chunks: Events, rng: random.Random) -> Events:
    for entry in entries_of(chunks):
        if rng.random() < 0.4:
            entry["index"] = rng.choice((0, 1, 2, 7, -1, None))
    return chunks


def _wrapped(chunks: Events, rng: random.Random) -> Events:
    name = rng.choice(("data", "response", "result", "chunk", "message"))
    return [{name: chunk} for chunk in chunks]


def _delta_wrapped(chunks: Events, rng: random.Random) -> Events:
    name = rng.choice(("delta", "message", "content"))
    for chunk in chunks:
        if chunk.get("choices"):
            choice_of(chunk)["delta"] = {name: delta_of(chunk)}
    return chunks


_ENDINGS = (
    "length", "content_filter", "MALFORMED_FUNCTION_CALL", "model_context_window_exceeded", "RECITATION",
    "cancelled", "odd_word", "tool_calls", "error", 7, ["stop"], {"reason": "stop"}, True,
)  # fmt: skip


def _other_ending(chunks: Events, rng: random.Random) -> Events:
    choice_of(chunks[end_of(chunks)])["finish_reason"] = rng.choice(_ENDINGS)
    return chunks


def _other_type(chunks: Events, rng: random.Random) -> Events:
    """A value of the first choice gets another type, and still contains the text."""
    chunk = rng.choice(
        [chunk for chunk in chunks if delta_of(chunk)] or [like(chunks[0], {"content": "w9x"})]
    )
    delta = delta_of(chunk)
    name = rng.choice(list(delta))
    as_type: tuple[Callable[[Any], Any], ...] = (
        lambda value: [value],
        lambda value: {"text": value},
        lambda value: {"value": value},
        lambda value: [{"type": "text", "text": value}],
        lambda value: json.dumps(value),
    )
    delta[name] = rng.choice(as_type)(delta[name])
    return chunks


def _other_name(chunks: Events, rng: random.Random) -> Events:
    """A key has another spelling."""
    for chunk in chunks:
        delta = delta_of(chunk)
        for name in ("content", "reasoning_content", "tool_calls"):
            if name in delta and rng.random() < 0.5:
                spelled = name.replace("_c", "C") if "_" in name else rng.choice(("text", "Content"))
                delta[spelled] = delta.pop(name)
    return chunks


ODD: dict[str, Change] = {
    "no names": _without_names,
    "other indices": _other_index,
    "two pieces swapped": swapped,
    "a piece is missing": missing,
    "a piece twice": twice,
    "wrapped in another key": _wrapped,
    "the delta wrapped": _delta_wrapped,
    "another ending": _other_ending,
    "another type": _other_type,
    "another spelling": _other_name,
}
