"""What senders really do to an answer that was well formed, as tables: a name, and what it does to chunks.

`NEUTRAL`: what the model said is still plain, so the client gets the answer that it would get anyway.
`ODD`: something is missing, misplaced or of a wrong type. What comes then is a matter of taste; silence is
not.
"""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

from tests.e2e.said import Call, Said

Events = list[dict[str, Any]]
Change = Callable[[Events, random.Random], Events]

_LETTERS = "abcdefghijklmnop"


def spoken(rng: random.Random) -> Said:
    """An answer of chance whose words are all different: `w12x`, so that each can be looked for."""
    numbers = iter(range(10, 10_000))

    def words(most: int) -> tuple[str, ...]:
        return tuple(f"w{next(numbers)}x " for _ in range(rng.randint(0, most)))

    def call(place: int) -> Call:
        whole = json.dumps({rng.choice(_LETTERS): f"w{next(numbers)}x" for _ in range(rng.randint(1, 3))})
        cuts = sorted(rng.sample(range(1, len(whole)), rng.randint(0, 3)))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        return Call(f"tool{place}", tuple(pieces), f"call_{place}")

    said = Said(reasoning=words(2), text=words(4), calls=tuple(call(at) for at in range(rng.randint(0, 3))))
    return said if said.text or said.calls else Said(text=("w9x",))


def joined(chunks: Events) -> Events:
    """The same answer with all its words in one chunk, before the one that finishes."""
    delta: dict[str, Any] = {"role": "assistant", "content": None}
    for chunk in chunks:
        for name in ("content", "reasoning_content"):
            if isinstance(value := _delta(chunk).get(name), str) and value:
                delta[name] = (delta.get(name) or "") + value
    if calls := _calls(chunks):
        delta["tool_calls"] = [
            {"index": index, "id": call.pop("id"), "type": "function", "function": call}
            for index, call in calls.items()
        ]
    return [_like(chunks[0], delta), chunks[_end(chunks)]]


def changed(events: Events, change: Change, rng: random.Random) -> Events:
    """A copy with that change."""
    return change(copy.deepcopy(events), rng)


# -- parts of a chunk --------------------------------------------------------------------------------


def _choice(chunk: dict[str, Any]) -> dict[str, Any]:
    return chunk["choices"][0] if chunk.get("choices") else {}


def _delta(chunk: dict[str, Any]) -> dict[str, Any]:
    return _choice(chunk).get("delta", {})


def _entries(chunks: Events) -> Events:
    return [entry for chunk in chunks for entry in _delta(chunk).get("tool_calls", ())]


def _end(chunks: Events) -> int:
    """Where the chunk stands that finishes."""
    return next(at for at, chunk in enumerate(chunks) if _choice(chunk).get("finish_reason"))


def _calls(chunks: Events) -> dict[int, dict[str, Any]]:
    """Each call whole, by its index."""
    found: dict[int, dict[str, Any]] = {}
    for entry in _entries(chunks):
        call = found.setdefault(entry["index"], {"id": "", "name": "", "arguments": ""})
        call["id"] = entry.get("id") or call["id"]
        for name in ("name", "arguments"):
            call[name] += entry["function"].get(name, "")
    return found


def _like(chunk: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    """Another chunk of the same stream."""
    return {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}]}


# -- what stays plain --------------------------------------------------------------------------------


def _arguments_again(chunks: Events, rng: random.Random) -> Events:
    named = rng.random() < 0.5
    for index, call in _calls(chunks).items():
        entry = {"index": index, "function": {"arguments": call["arguments"]}}
        at = 1 + max(n for n, c in enumerate(chunks) if any(e["index"] == index for e in _entries([c])))
        chunks.insert(at, _like(chunks[0], {"tool_calls": [entry | ({"id": call["id"]} if named else {})]}))
    return chunks


def _name_again(chunks: Events, rng: random.Random) -> Events:
    calls = _calls(chunks)
    for entry in _entries(chunks):
        entry["function"]["name"] = calls[entry["index"]]["name"]
        entry["id"] = calls[entry["index"]]["id"]
    return chunks


def _name_without_news(chunks: Events, rng: random.Random) -> Events:
    again = [
        {"index": index, "id": call["id"], "type": "function", "function": {"name": call["name"]}}
        for index, call in _calls(chunks).items()
    ]
    if again:
        chunks.insert(_end(chunks), _like(chunks[0], {"tool_calls": again[-1:]}))
    return chunks


def _empty_object_first(chunks: Events, rng: random.Random) -> Events:
    for entry in _entries(chunks):
        if entry["function"].get("arguments") == "":
            entry["function"]["arguments"] = "{}"
    return chunks


def _index_as_text(chunks: Events, rng: random.Random) -> Events:
    for entry in _entries(chunks):
        entry["index"] = str(entry["index"])
    return chunks


def _no_index(chunks: Events, rng: random.Random) -> Events:
    """As senders do that write each call whole, in a chunk of its own."""
    calls = _calls(chunks)
    chunks = [chunk for chunk in chunks if not _entries([chunk])]
    at = _end(chunks)
    for call in reversed(calls.values()):
        function = {"name": call["name"], "arguments": call["arguments"]}
        chunks.insert(at, _like(chunks[0], {"tool_calls": [{"id": call["id"], "function": function}]}))
    return chunks


def _one_object(chunks: Events, rng: random.Random) -> Events:
    """`tool_calls` is no list; sometimes the call is flat, too."""
    flat = rng.random() < 0.5
    for chunk in chunks:
        if entries := _entries([chunk]):
            for entry in entries if flat else ():
                entry |= entry.pop("function")
            _delta(chunk)["tool_calls"] = entries[0] if len(entries) == 1 else entries
    return chunks


def _same_call_elsewhere(chunks: Events, rng: random.Random) -> Events:
    """A server that parses twice says a call again whole, under the next index."""
    calls = _calls(chunks)
    if calls:
        call = rng.choice(list(calls.values()))
        function = {"name": call["name"], "arguments": call["arguments"]}
        entry = {"index": len(calls), "id": call["id"], "type": "function", "function": function}
        chunks.insert(_end(chunks), _like(chunks[0], {"tool_calls": [entry]}))
    return chunks


def _role_each_time(chunks: Events, rng: random.Random) -> Events:
    for chunk in chunks:
        if chunk.get("choices"):
            _delta(chunk).setdefault("role", "assistant")
            _delta(chunk).setdefault("content", rng.choice(("", None)))
    return chunks


def _finish_beside_words(chunks: Events, rng: random.Random) -> Events:
    at = _end(chunks)
    _choice(chunks[at - 1])["finish_reason"] = _choice(chunks[at])["finish_reason"]
    return [*chunks[:at], *chunks[at + 1 :]]


def _finish_in_other_words(chunks: Events, rng: random.Random) -> Events:
    choice = _choice(chunks[_end(chunks)])
    if choice["finish_reason"] == "stop":
        choice["finish_reason"] = rng.choice(("STOP", "eos", "end_turn", "complete", "stop_sequence"))
    return chunks


def _empty_finish(chunks: Events, rng: random.Random) -> Events:
    for chunk in chunks:
        for choice in chunk.get("choices", ()):
            choice["finish_reason"] = choice["finish_reason"] or ""
    return chunks


def _zero_usage_behind(chunks: Events, rng: random.Random) -> Events:
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    return [*chunks, {**chunks[-1], "choices": [], "usage": zero}]


def _calls_in_second_choice(chunks: Events, rng: random.Random) -> Events:
    for chunk in chunks:
        if _entries([chunk]):
            _choice(chunk)["index"] = 1
    return chunks


def _message_for_delta(chunks: Events, rng: random.Random) -> Events:
    for chunk in chunks:
        if chunk.get("choices"):
            choice = _choice(chunk)
            choice["message"] = choice.pop("delta")
            if rng.random() < 0.5:
                choice["delta"] = {}
    return chunks


def _legacy_beside(chunks: Events, rng: random.Random) -> Events:
    if len(_calls(chunks)) == 1:
        for chunk in chunks:
            for entry in _entries([chunk]):
                _delta(chunk)["function_call"] = dict(entry["function"])
    return chunks


def _less(*names: str) -> Change:
    def without(chunks: Events, rng: random.Random) -> Events:
        for chunk in chunks:
            for name in names:
                chunk.pop(name, None)
                _choice(chunk).pop(name, None)
        return chunks

    return without


NEUTRAL: dict[str, Change] = {
    "arguments again": _arguments_again,
    "name and id in each piece": _name_again,
    "the name once more": _name_without_news,
    "an empty object first": _empty_object_first,
    "an index as text": _index_as_text,
    "calls without an index": _no_index,
    "tool_calls as an object": _one_object,
    "the same call under the next index": _same_call_elsewhere,
    "a role in each piece": _role_each_time,
    "the finish beside the last words": _finish_beside_words,
    "the finish in other words": _finish_in_other_words,
    "an empty finish in each piece": _empty_finish,
    "zero usage behind the real one": _zero_usage_behind,
    "the calls in a second choice": _calls_in_second_choice,
    "message for delta": _message_for_delta,
    "function_call beside tool_calls": _legacy_beside,
    "no id, no object, no model": _less("id", "object", "created", "model"),
    "no logprobs": _less("logprobs"),
}


# -- what does not -----------------------------------------------------------------------------------


def _without_names(chunks: Events, rng: random.Random) -> Events:
    for entry in _entries(chunks):
        entry["function"].pop("name", None)
    return chunks


def _other_index(chunks: Events, rng: random.Random) -> Events:
    for entry in _entries(chunks):
        if rng.random() < 0.4:
            entry["index"] = rng.choice((0, 1, 2, 7, -1, None))
    return chunks


def _swapped(chunks: Events, rng: random.Random) -> Events:
    a, b = rng.randrange(len(chunks)), rng.randrange(len(chunks))
    chunks[a], chunks[b] = chunks[b], chunks[a]
    return chunks


def _missing(chunks: Events, rng: random.Random) -> Events:
    del chunks[rng.randrange(len(chunks))]
    return chunks


def _twice(chunks: Events, rng: random.Random) -> Events:
    at = rng.randrange(len(chunks))
    return [*chunks[: at + 1], copy.deepcopy(chunks[at]), *chunks[at + 1 :]]


def _wrapped(chunks: Events, rng: random.Random) -> Events:
    name = rng.choice(("data", "response", "result", "chunk", "message"))
    return [{name: chunk} for chunk in chunks]


def _delta_wrapped(chunks: Events, rng: random.Random) -> Events:
    name = rng.choice(("delta", "message", "content"))
    for chunk in chunks:
        if chunk.get("choices"):
            _choice(chunk)["delta"] = {name: _delta(chunk)}
    return chunks


_ENDINGS = (
    "length", "content_filter", "MALFORMED_FUNCTION_CALL", "model_context_window_exceeded", "RECITATION",
    "cancelled", "odd_word", "tool_calls", "error", 7, ["stop"], {"reason": "stop"}, True,
)  # fmt: skip


def _other_ending(chunks: Events, rng: random.Random) -> Events:
    _choice(chunks[_end(chunks)])["finish_reason"] = rng.choice(_ENDINGS)
    return chunks


def _other_type(chunks: Events, rng: random.Random) -> Events:
    """A value of the first choice becomes one of another type, which still holds what was said."""
    chunk = rng.choice([chunk for chunk in chunks if _delta(chunk)] or [_like(chunks[0], {"content": "w9x"})])
    delta = _delta(chunk)
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
    """A key is spelled in another way."""
    for chunk in chunks:
        delta = _delta(chunk)
        for name in ("content", "reasoning_content", "tool_calls"):
            if name in delta and rng.random() < 0.5:
                spelled = name.replace("_c", "C") if "_" in name else rng.choice(("text", "Content"))
                delta[spelled] = delta.pop(name)
    return chunks


ODD: dict[str, Change] = {
    "no names": _without_names,
    "other indices": _other_index,
    "two pieces swapped": _swapped,
    "a piece is missing": _missing,
    "a piece twice": _twice,
    "wrapped in another key": _wrapped,
    "the delta wrapped": _delta_wrapped,
    "another ending": _other_ending,
    "another type": _other_type,
    "another spelling": _other_name,
}
