"""The law of what a model said: what cannot be placed is a named loss or a failure, never silence."""

import json
from typing import Any

from tests.soak.senders.words import words_in
from tests.support.soak.laws import judge, judge_end
from tests.support.soak.raw_http import Answer

_LOSSES = "x-chat2response-losses"
Result = dict[str, Any]
"""What a client has in the end: a response, a choice of Chat's, or an object with an `error`."""


def hold_the_law(answer: Answer, sent: bytes, about: str, *, chat: bool = False) -> Result:
    """Every word that was sent is in the answer, or something is named as lost, or it did not end well.

    `chat`: the client speaks Chat. Returns what it has in the end.
    """
    result = result_of(answer, chat=chat)
    if ended_well(result) and not names_a_loss(answer):
        gone = set(words_in(sent)) - set(words_in(result))
        assert not gone, f"{about}: {sorted(gone)} vanished from a completed answer: {answer}, sent {sent!r}"
    return result


def result_of(answer: Answer, *, chat: bool = False) -> Result:
    """What the client has in the end."""
    judge(answer, faults=(502,))
    if not answer.is_stream:
        value: Result = answer.json()
        return value["choices"][0] if chat and "error" not in value else value
    judge_end(answer.body, chat=chat)
    payloads = [line[6:] for line in answer.body.split(b"\n") if line.startswith(b"data: {")]
    if chat:
        return _choice_of([json.loads(payload) for payload in payloads])
    response: Result = json.loads(payloads[-1])["response"]
    return response


def shape(result: Result) -> Any:
    """How it ended, and what was said: the parts that JSON and stream, or two ways to send it, share."""
    if "message" in result:
        message = result["message"]
        calls = [_plainly(_without_ids(call)) for call in message.get("tool_calls") or ()]
        texts = [message.get(name) or "" for name in ("content", "reasoning_content", "refusal")]
        return result["finish_reason"], *texts, json.dumps(calls)
    if "output" not in result:
        return "an error"
    return (result["status"], *(json.dumps(_without_ids(item)) for item in result["output"]))


def call_ids(result: Result) -> list[str]:
    """The ids of its calls."""
    if "message" in result:
        return [call["id"] for call in result["message"].get("tool_calls") or ()]
    return [item["call_id"] for item in result.get("output", ()) if "call_id" in item]


def ended_well(result: Result) -> bool:
    """Whether the client believes that it has all."""
    return result.get("status") == "completed" or result.get("finish_reason") in ("stop", "tool_calls")


def names_a_loss(answer: Answer) -> bool:
    """Whether anything is named as lost."""
    return _LOSSES in answer.headers or f": {_LOSSES}:".encode() in answer.body


def _choice_of(chunks: list[Result]) -> Result:
    """The choice that the chunks add up to."""
    message: Result = {"content": "", "reasoning_content": "", "refusal": "", "tool_calls": []}
    finish = None
    for chunk in chunks:
        if "error" in chunk:
            return {"error": chunk["error"], "message": message, "finish_reason": "error"}
        for choice in chunk["choices"]:
            finish = choice["finish_reason"] or finish
            _add(message, choice["delta"])
    return {"message": message, "finish_reason": finish}


def _add(message: Result, delta: Result) -> None:
    for name in ("content", "reasoning_content", "refusal"):
        message[name] += delta.get(name) or ""
    for entry in delta.get("tool_calls", ()):
        if "id" in entry:
            assert entry["index"] == len(message["tool_calls"]), f"calls are numbered as they begin: {entry}"
            message["tool_calls"].append({name: entry[name] for name in ("id", "type", entry["type"])})
        else:
            call = message["tool_calls"][entry["index"]]
            field = "arguments" if call["type"] == "function" else "input"
            call[call["type"]][field] += entry[call["type"]][field]


def _without_ids(item: Result) -> Result:
    """An item, or a call, without what is drawn for each answer, and without seals."""
    return {name: value for name, value in item.items() if name not in ("id", "encrypted_content")}


def _plainly(call: Result) -> Result:
    """A Chat call with its arguments decoded: JSON may be written in several ways."""
    try:
        return {
            **call,
            "arguments": json.loads(call["function"]["arguments"]),
            "function": call["function"]["name"],
        }
    except (KeyError, ValueError):
        return call
