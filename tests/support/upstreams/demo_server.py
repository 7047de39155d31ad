"""Calls the demo's server without its transport: bodies in, checked completions and chunks out."""

import json
from typing import Any

from chat2response.upstreams.demo.server import respond
from tests.support.clock_and_ids import Clock, Ids
from tests.support.stream_grammar import assert_chat_stream, parse_sse, validate_chunk, validate_completion

URL = "http://demo.invalid/v1/chat/completions"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}


def body_of(model: str = "demo", user: Any = "Say hello.", **more: Any) -> dict[str, Any]:
    """A request; `messages` replaces the user's message."""
    return {"model": model, "messages": [{"role": "user", "content": user}], **more}


def pieces_of(body: dict[str, Any]) -> list[bytes]:
    """The body of the answer with status 200, piece by piece."""
    answer = respond("POST", URL, json.dumps(body).encode(), Clock(), Ids())
    pieces = list(answer.pieces)
    assert answer.status == 200, pieces
    kind = "text/event-stream; charset=utf-8" if body.get("stream") else "application/json"
    assert answer.headers == {"content-type": kind}
    return pieces


def refusal_of(body: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The status, the error and the headers of a rejected request; a stream is rejected in the same way."""
    answers = []
    for stream in (False, True):
        data = json.dumps({**body, "stream": stream}).encode()
        answer = respond("POST", URL, data, Clock(), Ids())
        (piece,) = answer.pieces
        error = json.loads(piece)
        validate_chunk(error)
        assert answer.headers["content-type"] == "application/json"
        answers.append((answer.status, error["error"], answer.headers))
    assert answers[0] == answers[1]
    return answers[0]


def chunks_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The checked chunks of a stream."""
    chunks = parse_sse(b"".join(pieces_of({**body, "stream": True})))
    for chunk in chunks:
        validate_chunk(chunk)
    assert_chat_stream(chunks)
    return chunks


def words_of(chunks: list[dict[str, Any]], index: int = 0) -> list[dict[str, Any]]:
    """The deltas of a choice that say a word, without its role, its finish and the begin of its calls."""
    deltas = [each["delta"] for chunk in chunks for each in _choices(chunk) if each["index"] == index]
    return [delta for delta in deltas if delta and "role" not in delta and '"name"' not in json.dumps(delta)]


def completion_of(body: dict[str, Any]) -> dict[str, Any]:
    """The checked completion, which the chunks of the same request add up to."""
    (piece,) = pieces_of(body)
    completion: dict[str, Any] = json.loads(piece)
    validate_completion(completion)
    chunks = chunks_of({**body, "stream_options": {"include_usage": True}})
    assert [_folded(chunks, choice["index"]) for choice in completion["choices"]] == [
        _without_ids(choice) for choice in completion["choices"]
    ]
    assert chunks[-1]["usage"] == completion["usage"]
    return completion


def message_of(body: dict[str, Any]) -> dict[str, Any]:
    """The message of the only choice."""
    (choice,) = completion_of(body)["choices"]
    message: dict[str, Any] = choice["message"]
    return message


def text_of(body: dict[str, Any]) -> str:
    """The text of the only choice, which calls nothing."""
    message = message_of(body)
    assert "tool_calls" not in message
    return str(message["content"])


def calls_of(body: dict[str, Any]) -> list[tuple[str, Any]]:
    """The calls of the only choice: name, and arguments or input."""
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        if call["type"] == "function"
        else (call["custom"]["name"], call["custom"]["input"])
        for call in message_of(body).get("tool_calls", ())
    ]


def _choices(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    return list(chunk.get("choices", ()))


def _without_ids(choice: dict[str, Any]) -> dict[str, Any]:
    """A choice of a completion without the ids of its calls."""
    message = dict(choice["message"])
    if "tool_calls" in message:
        ids = {call["id"] for call in message["tool_calls"]}
        assert len(ids) == len(message["tool_calls"])
        message["tool_calls"] = [
            {key: value for key, value in call.items() if key != "id"} for call in message["tool_calls"]
        ]
    return {**choice, "message": message}


def _folded(chunks: list[dict[str, Any]], index: int) -> dict[str, Any]:
    """The choice that the chunks add up to, as `_without_ids` returns it."""
    message: dict[str, Any] = {"role": None, "content": "", "refusal": None}
    choice = {"index": index, "message": message, "logprobs": None, "finish_reason": None}
    calls: list[dict[str, Any]] = []
    for each in (each for chunk in chunks for each in _choices(chunk) if each["index"] == index):
        delta = each["delta"]
        choice["finish_reason"] = each["finish_reason"] or choice["finish_reason"]
        message["role"] = delta.get("role") or message["role"]
        for key in ("content", "reasoning_content"):
            if delta.get(key):
                message[key] = message.get(key, "") + delta[key]
        _add_logprobs(choice, each["logprobs"])
        if "function_call" in delta:
            _add(message.setdefault("function_call", {}), delta["function_call"])
        for call in delta.get("tool_calls", ()):
            _add_call(calls, call)
    if calls:
        message["tool_calls"] = calls
    if calls or "function_call" in message:
        assert message["content"] == ""
        message["content"] = None
    return choice


def _add_logprobs(choice: dict[str, Any], logprobs: dict[str, Any] | None) -> None:
    if logprobs is not None:
        content = (choice["logprobs"] or {"content": []})["content"]
        choice["logprobs"] = {**logprobs, "content": content + logprobs["content"]}


def _add_call(calls: list[dict[str, Any]], call: dict[str, Any]) -> None:
    if "id" in call:
        assert call["index"] == len(calls)
        calls.append({key: value for key, value in call.items() if key not in ("id", "index")})
    else:
        (kind,) = call.keys() - {"index"}
        _add(calls[call["index"]][kind], call[kind])


def _add(texts: dict[str, str], more: dict[str, str]) -> None:
    for key, value in more.items():
        texts[key] = texts.get(key, "") + value
