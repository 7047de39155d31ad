"""Checks that every answer must pass, whatever was sent."""

import json
from typing import Any

from tests.support.e2e.sse_streams import TERMINAL
from tests.support.soak.raw_http import Answer


def judge(answer: Answer, *, faults: tuple[int, ...] = ()) -> str:
    """Checks an answer of a gateway; returns its status. `faults`: further 5xx statuses that are allowed.

    An error has the standard body, a 503 has Retry-After, and a stream is complete.
    """
    status = answer.status
    assert status < 500 or status in (503, *faults), f"a fault of the gateway: {answer}"
    assert status != 503 or "retry-after" in answer.headers, f"a 503 without Retry-After: {answer}"
    if answer.is_stream:
        assert answer.whole, f"a stream ended inside its framing: {answer.body[-300:]!r}"
    elif status >= 400:
        assert answer.whole
        assert isinstance(answer.json(), dict), str(answer)
        assert "error" in answer.json(), str(answer)
    return str(status)


def judge_end(stream: bytes, *, chat: bool) -> str:
    """Checks that a stream of the gateway has exactly one end, which is last; returns the end."""
    assert stream.endswith(b"\n\n"), f"unfinished: {stream[-200:]!r}"
    payloads = [payload for frame in stream.split(b"\n\n") if (payload := _payload(frame)) is not None]
    assert payloads, "a stream without an event"
    assert payloads[-1] == b"[DONE]" and b"[DONE]" not in payloads[:-1], "[DONE] once, at the end"
    values: list[dict[str, Any]] = [json.loads(payload) for payload in payloads[:-1]]
    return _end_of_chat(values) if chat else _end_of_responses(values)


def _end_of_responses(events: list[dict[str, Any]]) -> str:
    ends = [event["type"] for event in events if event["type"] in TERMINAL]
    assert len(ends) == 1 and events[-1]["type"] == ends[0], f"one terminal event, the last: {ends}"
    numbers = [event["sequence_number"] for event in events]
    assert numbers == list(range(len(events))), f"numbered from 0: {numbers[:50]}"
    return str(ends[0])


def _end_of_chat(chunks: list[dict[str, Any]]) -> str:
    errors = [number for number, chunk in enumerate(chunks) if "error" in chunk]
    assert errors in ([], [len(chunks) - 1]), "an error is the last chunk"
    finished = [c["index"] for chunk in chunks for c in chunk.get("choices", ()) if c.get("finish_reason")]
    assert len(set(finished)) == len(finished), f"one finish for each choice: {finished}"
    assert bool(finished) != bool(errors), "a stream finishes, or fails"
    return "error" if errors else "finished"


def _payload(frame: bytes) -> bytes | None:
    lines = [line for line in frame.split(b"\n") if line.startswith(b"data: ")]
    assert len(lines) < 2, f"one data line each: {frame!r}"
    return lines[0].removeprefix(b"data: ") if lines else None
