"""Streams as an upstream sends them, frame by frame, of every kind; some unusual, but valid."""

from typing import Any

from chat2response.wire.json import encode


def responses(*events: dict[str, Any], terminal: str | None = "completed") -> list[bytes]:
    """`created`, these events and a terminal event, numbered; then `[DONE]`."""
    resource: dict[str, Any] = {
        "id": "resp_up",
        "object": "response",
        "status": "in_progress",
        "output": [],
        "error": None,
    }
    every = [{"type": "response.created", "response": resource}, *events]
    if terminal is not None:
        items = [each["item"] for each in events if each["type"] == "response.output_item.done"]
        usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
        ended = {**resource, "status": terminal, "output": items, "usage": usage}
        every.append({"type": f"response.{terminal}", "response": ended})
    frames = []
    for number, event in enumerate(every):
        data = encode({"type": event["type"], "sequence_number": number, **event})
        frames.append(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), data))
    return [*frames, b"data: [DONE]\n\n"] if terminal is not None else frames


def item_events(item: dict[str, Any], *deltas: str, kind: str = "output_text", index: int = 0) -> list[dict]:
    """A streamed item: added, its deltas, done."""
    place = {"item_id": item["id"], "output_index": index}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": {**item, "content": []}},
        *({"type": f"response.{kind}.delta", **place, "delta": delta} for delta in deltas),
        {"type": f"response.{kind}.done", **place, "text": "".join(deltas)},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def message(text: str, name: str = "msg_1") -> dict[str, Any]:
    return {"id": name, "type": "message", "content": [{"type": "output_text", "text": text}]}


def call(arguments: str, name: str = "fc_1") -> dict[str, Any]:
    return {"id": name, "type": "function_call", "call_id": "call_1", "name": "f", "arguments": arguments}


TRICKS = (
    "response.completed",
    '"type":"response.completed"',
    "[DONE]",
    'data: [DONE]\n\ndata: {"error":{',
    '"sequence_number":99',
)
"""Output texts that look like the end of a stream, and are not."""

RESPONSES_STREAMS: dict[str, list[bytes]] = {
    "text": responses(*item_events(message("Hello"), "Hel", "lo")),
    "tool call": responses(*item_events(call('{"a":1}'), '{"a"', ":1}", kind="function_call_arguments")),
    "reasoning, then text": responses(
        *item_events({"id": "rs_1", "type": "reasoning"}, "hm", kind="reasoning_summary_text"),
        *item_events(message("Yes"), "Yes", index=1),
    ),
    "no deltas": responses(),
    "incomplete": responses(*item_events(message("Hel"), "Hel"), terminal="incomplete"),
    "failed": responses(*item_events(message("Hel"), "Hel"), terminal="failed"),
    "words that sound like ends": responses(*item_events(message("".join(TRICKS)), *TRICKS)),
    "unknown events": responses(
        {"type": "response.vendor.thing", "x": [1, {"y": None}]}, {"type": "keepalive"}
    ),
    "escapes and other scripts": responses(*item_events(message("é\u2028\x85"), "é", "\u2028", "\x85")),
}

_TEXT = RESPONSES_STREAMS["text"]
RESPONSES_STREAMS |= {
    "CRLF": [frame.replace(b"\n", b"\r\n") for frame in _TEXT],
    "CR": [frame.replace(b"\n", b"\r") for frame in _TEXT],
    "a byte order mark": [b"\xef\xbb\xbf" + _TEXT[0], *_TEXT[1:]],
    "comments between": [piece for frame in _TEXT for piece in (b": keep-alive\n\n", frame)],
    "odd spacing": [
        frame.replace(b"data: ", b"data:")
        .replace(b'"type":"', b'"type" : "')
        .replace(b'"sequence_number":', b'"sequence_number" : ')
        for frame in _TEXT
    ],
    "no event lines, blank lines": [
        b"\n\n" + frame.partition(b"\n")[2] if b"event" in frame else frame for frame in _TEXT
    ],
    "ids and retries": [b"id: 7\nretry: 10\n" + frame for frame in _TEXT],
    "data over several lines": [frame.replace(b',"sequence', b'\ndata: ,"sequence') for frame in _TEXT],
    "duplicate keys": [frame.replace(b"}\n\n", b',"odd":1,"odd":2}\n\n') for frame in _TEXT],
}


def chunk(
    delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any
) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    body = {"id": "chatcmpl-up", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}
    return b"data: %b\n\n" % encode(body)


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
ROLE = chunk({"role": "assistant", "content": ""})
USAGE_CHUNK = chunk(choices=[], usage=USAGE)

CHAT_STREAMS: dict[str, list[bytes]] = {
    "text": [
        ROLE,
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk(finish="stop"),
        USAGE_CHUNK,
        DONE,
    ],
    "tool call": [
        ROLE,
        chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"finish_reason":"stop"}'}}]}),
        chunk(finish="tool_calls", usage=USAGE),
        DONE,
    ],
    "arguments as an object": [
        chunk(
            {"tool_calls": [{"index": 0, "function": {"arguments": {"finish_reason": "stop", "error": {}}}}]}
        ),
        chunk(finish="tool_calls", usage=USAGE),
        DONE,
    ],
    "cut short": [ROLE, chunk({"content": "Hel"}), chunk(finish="length", usage=USAGE), DONE],
    "words that sound like ends": [
        *(chunk({"content": trick}) for trick in (*TRICKS, '"finish_reason":"stop"', '{"error":{"x":1}}')),
        chunk(finish="stop"),
        USAGE_CHUNK,
        DONE,
    ],
    "empty finish reasons": [
        chunk({"content": "a"}, ""),
        chunk({"content": "b"}, ""),
        chunk(finish="stop", usage=USAGE),
        DONE,
    ],
    "comments first": [
        b": PROCESSING\n\n",
        b": PROCESSING\n\n",
        chunk({"content": "a"}),
        chunk(finish="stop", usage=USAGE),
        DONE,
    ],
}
_CHAT = CHAT_STREAMS["text"]
CHAT_STREAMS |= {
    "CRLF": [frame.replace(b"\n", b"\r\n") for frame in _CHAT],
    "a byte order mark": [b"\xef\xbb\xbf" + _CHAT[0], *_CHAT[1:]],
    "odd spacing": [frame.replace(b"data: ", b"data:").replace(b'":', b'" : ') for frame in _CHAT],
}
