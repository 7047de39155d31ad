"""An upstream that answers 200 and then an error: the client gets an error status.

Law 2, errors before the first byte are statuses.
"""

import json
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import error_of, every_way, json_or_stream, post, sdk_call
from tests.support.e2e.gateway import OPERATOR_KEY
from tests.support.e2e.scripted_model import CHAT, LIMITS, PATHS, RESPONSES, STREAM, frames, sse
from tests.support.scripted_upstream import Script, ScriptedUpstream

LEADING: list[tuple[dict[str, Any], int]] = [
    ({"message": "Full up.", "type": "overloaded", "param": None, "code": 503}, 503),
    ({"message": "Slow down.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}, 429),
    ({"message": "Bad.", "type": "invalid_request_error", "param": "x", "code": 400}, 400),
    ({"message": "Broken.", "type": "server_error", "param": None, "code": None}, 502),
]


@every_way
async def test_row_16_an_error_as_first_frame_is_a_status(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    gateway = await start(dialect)
    for error, status in LEADING:
        frame = b": warming up\n\ndata: " + json.dumps({"error": error}).encode() + b"\n\n"
        upstream.play(frames(dialect, frame, b"data: [DONE]\n\n").adding(*LIMITS))

        answer = await post(gateway, surface, streamed=True)

        assert answer.status_code == status
        result = error_of(answer)
        assert (result["message"], result["type"], result["param"]) == (
            error["message"],
            error["type"],
            error["param"],
        )
        assert answer.headers["retry-after"] == "7"
        assert answer.headers["x-ratelimit-remaining-tokens"] == "0"
        assert answer.headers["x-upstream-request-id"] == "req_theirs"


@pytest.mark.parametrize("surface", ["chat", "responses", "proxy"])
async def test_a_response_that_fails_at_once_is_a_status(
    start: Start, upstream: ScriptedUpstream, surface: Surface
) -> None:
    """OpenAI's format: a flat `error` event as the first event."""
    flat = {
        "type": "error",
        "sequence_number": 0,
        "code": "rate_limit_exceeded",
        "message": "Slow.",
        "param": None,
    }
    upstream.play(frames("responses", *sse(flat, done=False)))
    gateway = await start("responses")

    answer = await post(gateway, surface, streamed=True)

    assert answer.status_code == 429
    assert error_of(answer)["message"] == "Slow."


@json_or_stream
@every_way
async def test_a_json_error_with_status_200_is_a_status(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    """The SDK would see a stream without events, or a completion without choices."""
    error = {"message": "Full up.", "type": "overloaded", "param": None, "code": 503}
    body = json.dumps({"error": error}, indent=2).encode()
    upstream.play(Script(PATHS[dialect], (body,), headers=LIMITS))
    gateway = await start(dialect)

    answer = await post(gateway, surface, streamed=streamed)

    assert answer.status_code == 503
    assert error_of(answer)["message"] == "Full up."
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-upstream-request-id"] == "req_theirs"


@json_or_stream
@every_way
async def test_leading_errors_are_masked(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    secret = f"{OPERATOR_KEY} at {upstream.url}"
    frame = b"data: " + json.dumps({"error": {"message": f"No: {secret}"}}).encode() + b"\n\n"
    gateway = await start(dialect)
    scripts = [Script(PATHS[dialect], (frame[6:],)), *([frames(dialect, frame)] if streamed else [])]
    for script in scripts:
        upstream.play(script)
        answer = await post(gateway, surface, streamed=streamed)
        assert answer.status_code == 502
        assert OPERATOR_KEY not in answer.text and str(upstream.port) not in answer.text


async def test_a_failed_response_in_json_is_a_status_for_a_chat_client(
    start: Start, upstream: ScriptedUpstream
) -> None:
    failed = {
        "id": "resp_1", "object": "response", "status": "failed", "output": [],
        "error": {"code": "rate_limit_exceeded", "message": "Slow."},
    }  # fmt: skip
    upstream.play(Script(RESPONSES, (json.dumps(failed).encode(),)))
    gateway = await start("responses")

    with pytest.raises(openai.RateLimitError):
        await sdk_call(gateway, "chat", streamed=False)
    relayed = await post(gateway, "responses")
    assert (relayed.status_code, relayed.json()) == (200, failed)


async def test_a_stream_head_without_a_type_is_still_a_stream(
    start: Start, upstream: ScriptedUpstream
) -> None:
    """Some backends send events without a content type."""
    done = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
    upstream.play(Script(CHAT, (done,), media_type=None, framing="chunked"))
    gateway = await start("chat")

    answer = await post(gateway, "responses", streamed=True)

    assert b"response.completed" in answer.content
    assert answer.headers["content-type"].startswith(STREAM)
