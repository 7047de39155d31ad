"""The clients' requests as complete HTTP messages, and the texts that a correct answer contains."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["bridge", "relay-chat", "relay-responses"]
"""How the gateway handles a call: Responses to a Chat upstream, or a relay of one dialect."""

UPSTREAM_KEY = "sk-bench"
UNKNOWN_KEY = "sk_" + "0" * 24 + "%" * 8 + "." + "5f" * 32
"""Well formed but never issued. The load generator varies each one, so that no cache can help."""
GARBAGE_KEY = "not-a-key-of-ours"

_SYSTEM = (
    "You are the assistant of a small weather service. Answer in complete sentences, name the source of "
    "every figure, say so when you do not know, and never invent a measurement. Temperatures are Celsius."
)
_TURNS = [
    ("user", "What was the weather like in Reykjav\u00edk on the first of March, and how sure are you?"),
    (
        "assistant",
        "It was 3 degrees with light snow in the morning. The figure comes from the harbour station.",
    ),
    ("user", 'And in the evening? Please quote the station\'s own words, like "light snow", if it has any.'),
    (
        "assistant",
        "The harbour station noted \u201cclear, light wind from the north\u201d at 20:00, at -1 degrees.",
    ),
    ("user", "Then compare both with the ten-year average for that day, in two sentences."),
]
_FUNCTION: dict[str, Any] = {
    "name": "get_weather",
    "description": "Measured weather of one place on one day.",
    "parameters": {
        "type": "object",
        "properties": {
            "place": {"type": "string", "description": "A town, with its country when it is not unique."},
            "day": {"type": "string", "description": "The day, as YYYY-MM-DD."},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["place", "day", "unit"],
        "additionalProperties": False,
    },
    "strict": True,
}


@dataclass(frozen=True, slots=True)
class Expected:
    """Texts in a correct answer: `count` appears once per delta, `end` at least once."""

    count: str
    end: str


_CHAT_DELTAS = {
    "arguments": '"delta":{"tool_calls":[{"index":0,"function":{"arguments":"',
    "reasoning": '"delta":{"reasoning_content":"',
}
_RESPONSES_DELTAS = {
    "arguments": '"response.function_call_arguments.delta"',
    "reasoning": '"response.reasoning_summary_text.delta"',
}


def expected(mode: Mode, stream: bool, model: str = "") -> Expected:
    """The expected texts for a mode and the model's kind of deltas."""
    kind = _kind(model)
    if mode == "relay-chat":
        if stream:
            return Expected(_CHAT_DELTAS.get(kind, '"delta":{"content":"'), "data: [DONE]")
        return Expected("", '"chat.completion"')
    if stream:
        return Expected(_RESPONSES_DELTAS.get(kind, '"response.output_text.delta"'), '"response.completed"')
    return Expected("", '"output_text"')


def http_request(mode: Mode, model: str, stream: bool, token: str) -> bytes:
    """An HTTP/1.1 request of about 1.6 kB, most of it body, for a mode."""
    body = json.dumps(_body(mode, model, stream), ensure_ascii=False, separators=(",", ":")).encode()
    path = "/v1/chat/completions" if mode == "relay-chat" else "/v1/responses"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _body(mode: Mode, model: str, stream: bool) -> dict[str, Any]:
    if mode == "relay-chat":
        messages = [{"role": "system", "content": _SYSTEM}]
        messages += [{"role": role, "content": text} for role, text in _TURNS]
        body: dict[str, Any] = {
            "model": model,
            "messages": messages,
            "tools": [{"type": "function", "function": _FUNCTION}],
            "tool_choice": "auto",
            "max_completion_tokens": 512,
            "temperature": 0.7,
        }
    else:
        body = {
            "model": model,
            "instructions": _SYSTEM,
            "input": [{"role": role, "content": text} for role, text in _TURNS],
            "tools": [{"type": "function", **_FUNCTION}],
            "tool_choice": "auto",
            "max_output_tokens": 512,
            "temperature": 0.7,
            "store": False,
        }
        if _kind(model) == "reasoning":
            body["reasoning"] = {"summary": "auto"}  # else an earlier gateway sends another event
    return {**body, "stream": True} if stream else body


def _kind(model: str) -> str:
    """The kind of deltas in a stream of this model (`mock.c`)."""
    return model.partition("-")[0]
