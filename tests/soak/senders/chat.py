"""`NEUTRAL`: changes to Chat chunks that must not change the client's answer, by name.

The model's answer stays unambiguous, so the client must get the same one.
"""

import random
from typing import Any

from tests.soak.senders.changes import Change, Events


def join_deltas(chunks: Events) -> Events:
    """The answer with all deltas join_deltas in one chunk, before the chunk with the finish reason."""
    delta: dict[str, Any] = {"role": "assistant", "content": None}
    for chunk in chunks:
        for name in ("content", "reasoning_content"):
            if isinstance(value := delta_of(chunk).get(name), str) and value:
                delta[name] = (delta.get(name) or "") + value
    if calls := calls_of(chunks):
        delta["tool_calls"] = [
            {"index": index, "id": call.pop("id"), "type": "function", "function": call}
            for index, call in calls.items()
        ]
    return [like(chunks[0], delta), chunks[end_of(chunks)]]


# -- parts of a chunk --------------------------------------------------------------------------------


def choice_of(chunk: dict[str, Any]) -> dict[str, Any]:
    """The first choice of a chunk."""
    return chunk["choices"][0] if chunk.get("choices") else {}


def delta_of(chunk: dict[str, Any]) -> dict[str, Any]:
    """The delta of the first choice."""
    return choice_of(chunk).get("delta", {})


def entries_of(chunks: Events) -> Events:
    """The tool call entries of all chunks."""
    return [entry for chunk in chunks for entry in delta_of(chunk).get("tool_calls", ())]


def end_of(chunks: Events) -> int:
    """The index of the chunk with the finish reason."""
    return next(index for index, chunk in enumerate(chunks) if choice_of(chunk).get("finish_reason"))


def calls_of(chunks: Events) -> dict[int, dict[str, Any]]:
    """The complete calls by index."""
    calls: dict[int, dict[str, Any]] = {}
    for entry in entries_of(chunks):
        call = calls.setdefault(entry["index"], {"id": "", "name": "", "arguments": ""})
        call["id"] = entry.get("id") or call["id"]
        for name in ("name", "arguments"):
            call[name] += entry["function"].get(name, "")
    return calls


def like(chunk: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    """Another chunk of the stream, with this delta."""
    return {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}]}


# -- neutral changes ---------------------------------------------------------------------------------


def _arguments_again(chunks: Events, rng: random.Random) -> Events:
    named = rng.random() < 0.5
    for index, call in calls_of(chunks).items():
        entry = {"index": index, "function": {"arguments": call["arguments"]}}
        index = 1 + max(n for n, c in enumerate(chunks) if any(e["index"] == index for e in entries_of([c])))
        chunks.insert(index, like(chunks[0], {"tool_calls": [entry | ({"id": call["id"]} if named else {})]}))
    return chunks


def _name_again(chunks: Events, rng: random.Random) -> Events:
    calls = calls_of(chunks)
    for entry in entries_of(chunks):
        entry["function"]["name"] = calls[entry["index"]]["name"]
        entry["id"] = calls[entry["index"]]["id"]
    return chunks


def _name_without_news(chunks: Events, rng: random.Random) -> Events:
    again = [
        {"index": index, "id": call["id"], "type": "function", "function": {"name": call["name"]}}
        for index, call in calls_of(chunks).items()
    ]
    if again:
        chunks.insert(end_of(chunks), like(chunks[0], {"tool_calls": again[-1:]}))
    return chunks


def _empty_object_first(chunks: Events, rng: random.Random) -> Events:
    for entry in entries_of(chunks):
        if entry["function"].get("arguments") == "":
            entry["function"]["arguments"] = "{}"
    return chunks


def _index_as_text(chunks: Events, rng: random.Random) -> Events:
    for entry in entries_of(chunks):
        entry["index"] = str(entry["index"])
    return chunks


def _no_index(chunks: Events, rng: random.Random) -> Events:
    """Some senders write each call complete, in a separate chunk."""
    calls = calls_of(chunks)
    chunks = [chunk for chunk in chunks if not entries_of([chunk])]
    index = end_of(chunks)
    for call in reversed(calls.values()):
        function = {"name": call["name"], "arguments": call["arguments"]}
        chunks.insert(index, like(chunks[0], {"tool_calls": [{"id": call["id"], "function": function}]}))
    return chunks


def _one_object(chunks: Events, rng: random.Random) -> Events:
    """`tool_calls` is an object; sometimes the call's fields are at the top level, too."""
    flat = rng.random() < 0.5
    for chunk in chunks:
        if entries := entries_of([chunk]):
            for entry in entries if flat else ():
                entry |= entry.pop("function")
            delta_of(chunk)["tool_calls"] = entries[0] if len(entries) == 1 else entries
    return chunks


def _same_call_elsewhere(chunks: Events, rng: random.Random) -> Events:
    """A server that parses twice repeats a complete call under the next index."""
    calls = calls_of(chunks)
    if calls:
        call = rng.choice(list(calls.values()))
        function = {"name": call["name"], "arguments": call["arguments"]}
        entry = {"index": len(calls), "id": call["id"], "type": "function", "function": function}
        chunks.insert(end_of(chunks), like(chunks[0], {"tool_calls": [entry]}))
    return chunks


def _role_each_time(chunks: Events, rng: random.Random) -> Events:
    for chunk in chunks:
        if chunk.get("choices"):
            delta_of(chunk).setdefault("role", "assistant")
            delta_of(chunk).setdefault("content", rng.choice(("", None)))
    return chunks


def _finish_beside_words(chunks: Events, rng: random.Random) -> Events:
    index = end_of(chunks)
    choice_of(chunks[index - 1])["finish_reason"] = choice_of(chunks[index])["finish_reason"]
    return [*chunks[:index], *chunks[index + 1 :]]


def _finish_in_other_words(chunks: Events, rng: random.Random) -> Events:
    choice = choice_of(chunks[end_of(chunks)])
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
        if entries_of([chunk]):
            choice_of(chunk)["index"] = 1
    return chunks


def _message_for_delta(chunks: Events, rng: random.Random) -> Events:
    for chunk in chunks:
        if chunk.get("choices"):
            choice = choice_of(chunk)
            choice["message"] = choice.pop("delta")
            if rng.random() < 0.5:
                choice["delta"] = {}
    return chunks


def _legacy_beside(chunks: Events, rng: random.Random) -> Events:
    if len(calls_of(chunks)) == 1:
        for chunk in chunks:
            for entry in entries_of([chunk]):
                delta_of(chunk)["function_call"] = dict(entry["function"])
    return chunks


def _less(*names: str) -> Change:
    def without(chunks: Events, rng: random.Random) -> Events:
        for chunk in chunks:
            for name in names:
                chunk.pop(name, None)
                choice_of(chunk).pop(name, None)
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
