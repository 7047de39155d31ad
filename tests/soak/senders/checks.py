"""The law that nothing is lost silently: content that cannot be converted is a named loss or a failure."""

import json
from typing import Any

from tests.soak.senders.changes import markers_in
from tests.support.soak.laws import judge, judge_end
from tests.support.soak.raw_http import Answer

_LOSSES = "x-chat2response-losses"
Result = dict[str, Any]
"""What the client has in the end: a response, a Chat choice, or an object with an `error`."""


def check_nothing_lost(answer: Answer, sent: bytes, about: str, *, chat: bool = False) -> Result:
    """Checks that every marker that was sent is in the answer, unless a loss is named or the answer failed.

    `chat`: the client uses Chat. Returns what the client has in the end.
    """
    result = result_of(answer, chat=chat)
    if ended_well(result) and not names_a_loss(answer):
        lost = set(markers_in(sent)) - set(markers_in(result))
        assert not lost, f"{about}: {sorted(lost)} vanished from a completed answer: {answer}, sent {sent!r}"
    return result


def result_of(answer: Answer, *, chat: bool = False) -> Result:
    """What the client has in the end; checks the answer against the general laws."""
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
    """The end and the content of a result, without the parts that differ between JSON and stream."""
    if "message" in result:
        message = result["message"]
        calls = [_with_decoded_arguments(_without_ids(call)) for call in message.get("tool_calls") or ()]
        texts = [message.get(name) or "" for name in ("content", "reasoning_content", "refusal")]
        return result["finish_reason"], *texts, json.dumps(calls)
    if "output" not in result:
        return "an error"
    return (result["status"], *(json.dumps(_without_ids(item)) for item in result["output"]))


def call_ids(result: Result) -> list[str]:
    """The ids of the calls in a result."""
    if "message" in result:
        return [call["id"] for call in result["message"].get("tool_calls") or ()]
    return [item["call_id"] for item in result.get("output", ()) if "call_id" in item]


def ended_well(result: Result) -> bool:
    """Whether the client sees a complete answer."""
    return result.get("status") == "completed" or result.get("finish_reason") in ("stop", "tool_calls")


def names_a_loss(answer: Answer) -> bool:
    """Whether the answer names a loss."""
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
    """An item or a call without generated ids and seals."""
    return {name: value for name, value in item.items() if name not in ("id", "encrypted_content")}


def _with_decoded_arguments(call: Result) -> Result:
    """A Chat call with decoded arguments, since JSON has several spellings."""
    try:
        return {
            **call,
            "arguments": json.loads(call["function"]["arguments"]),
            "function": call["function"]["name"],
        }
    except (KeyError, ValueError):
        return call
