"""An upstream that says no, before the first byte: an HTTP status with its words, in every pair."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway import CLIENT_BEARER, OPERATOR_KEY
from tests.e2e.listen import Surface
from tests.e2e.pairs import body_for, converted_way, error_of, every_way, json_or_stream, post, sdk_call
from tests.e2e.said import CHAT, PATHS, RESPONSES, STREAM, frames, refused, sse
from tests.upstream import Script, ScriptedUpstream

LIMITS = (
    ("Retry-After", "7"),
    ("retry-after-ms", "7000"),
    ("x-ratelimit-limit-requests", "60"),
    ("x-ratelimit-remaining-tokens", "0"),
    ("x-should-retry", "true"),
    ("x-request-id", "req_theirs"),
    ("set-cookie", "secret=1"),
    ("server", "theirs"),
)
STATUSES: list[tuple[int, type[openai.APIStatusError], dict[str, Any]]] = [
    (
        400,
        openai.BadRequestError,
        {"message": "Bad 'x'.", "type": "invalid_request_error", "param": "x", "code": "invalid_value"},
    ),
    (
        404,
        openai.NotFoundError,
        {
            "message": "No model.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        },
    ),
    (
        422,
        openai.UnprocessableEntityError,
        {"message": "No.", "type": "odd_error", "param": None, "code": None},
    ),
    (
        429,
        openai.RateLimitError,
        {"message": "Slow down.", "type": "requests", "param": None, "code": "rate_limit_exceeded"},
    ),
    (
        500,
        openai.InternalServerError,
        {"message": "Oops.", "type": "server_error", "param": None, "code": None},
    ),
    (
        503,
        openai.InternalServerError,
        {"message": "Full.", "type": "overloaded", "param": None, "code": "busy"},
    ),
]


@json_or_stream
@every_way
async def test_a_refusal_keeps_status_words_and_headers(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    gateway = await start(dialect)
    for status, _, error in STATUSES:
        upstream.play(refused(dialect, status, error, *LIMITS))

        answer = await post(gateway, surface, streamed=streamed)

        assert answer.status_code == status
        assert error_of(answer) == error
        for name, value in LIMITS[:5]:
            assert answer.headers[name] == value
        assert answer.headers["x-upstream-request-id"] == "req_theirs"
        assert answer.headers["x-request-id"] == upstream.last.headers["x-request-id"] != "req_theirs"
        assert "set-cookie" not in answer.headers and answer.headers.get("server") != "theirs"


@json_or_stream
@pytest.mark.parametrize("surface", ["chat", "responses"])
@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_the_sdk_raises_the_same_error(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    gateway = await start(dialect)
    for status, kind, error in STATUSES:
        upstream.play(refused(dialect, status, error, *LIMITS))

        with pytest.raises(kind) as raised:
            await sdk_call(gateway, surface, streamed=streamed)

        told = raised.value
        words = {"code": told.code, "param": told.param, "type": told.type}
        assert (told.status_code, words | {"message": error["message"]}) == (status, error)
        assert error["message"] in told.message
        assert told.request_id == upstream.last.headers["x-request-id"]
        assert told.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("status", [401, 403])
@every_way
async def test_a_refusal_of_our_own_key_is_never_the_clients(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, status: int
) -> None:
    words = {
        "message": f"Incorrect API key: {OPERATOR_KEY}",
        "type": "x",
        "param": None,
        "code": "invalid_api_key",
    }
    upstream.play(refused(dialect, status, words))
    gateway = await start(dialect)

    answer = await post(gateway, surface)

    assert answer.status_code == 502
    told = error_of(answer)
    assert (told["type"], told["code"]) == ("upstream_authentication_error", "upstream_authentication_error")
    assert "Incorrect" not in told["message"] and OPERATOR_KEY not in answer.text
    assert "www-authenticate" not in answer.headers


@every_way
async def test_a_refusal_of_the_clients_own_bearer_stays_theirs(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    words = {
        "message": "Incorrect API key.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    upstream.play(refused(dialect, 401, words))
    gateway = await start(dialect, managed=False)

    answer = await post(gateway, surface)

    assert answer.status_code == 401
    assert error_of(answer) == words
    assert upstream.last.headers["authorization"] == f"Bearer {CLIENT_BEARER}"


@pytest.mark.parametrize("status", [400, 500])
@every_way
async def test_keys_and_addresses_are_masked(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, status: int
) -> None:
    gateway = await start(dialect)
    host = f"127.0.0.1:{upstream.port}"
    other = "sk-proj-abcdefghijklmnop"
    message = f"POST {upstream.url}/x on {host} with {OPERATOR_KEY}, {other} and {gateway.key}"
    upstream.play(refused(dialect, status, {"message": message, "type": "t", "param": None, "code": None}))

    answer = await post(gateway, surface)

    assert answer.status_code == status
    for secret in (host, OPERATOR_KEY, other, gateway.key):
        assert secret not in answer.text
    assert error_of(answer)["message"].startswith("POST ")


ODD_ERRORS = (
    (b'{"error": "no such thing"}', "no such thing"),
    (b'{"detail": "Not here"}', "Not here"),
    (b'{"detail": [{"loc": ["body"], "msg": "one"}, {"msg": "two"}]}', "one; two"),
    (b'{"object": "error", "message": "Nope", "code": 40001}', "Nope"),
    (b"upstream connect error", "upstream connect error"),
    (b"", "The upstream answered with status 400."),
    (b'[{"error": {"message": "listed"}}]', "listed"),
)


@every_way
async def test_errors_in_other_shapes_become_openais(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    gateway = await start(dialect)
    for body, message in ODD_ERRORS:
        upstream.play(Script(PATHS[dialect], (body,), status=400, media_type="text/plain"))

        answer = await post(gateway, surface)

        assert answer.status_code == 400
        told = error_of(answer)
        assert message in told["message"]
        assert told["type"] == "invalid_request_error"


@pytest.mark.parametrize("status", [302, 307])
@every_way
async def test_a_redirect_is_not_followed(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, status: int
) -> None:
    elsewhere = ("location", f"{upstream.url}/elsewhere")
    upstream.play(Script(PATHS[dialect], (b"",), status=status, headers=(elsewhere,)))
    gateway = await start(dialect)

    answer = await post(gateway, surface)

    assert answer.status_code == 502
    assert "location" not in answer.headers and "elsewhere" not in answer.text
    assert len(upstream.requests) == 1


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken and not listened to: connecting is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@json_or_stream
@every_way
async def test_a_refused_connection_is_502(
    start: Start, surface: Surface, dialect: str, streamed: bool, closed_port: int
) -> None:
    gateway = await start(dialect, openai_base_url=f"http://127.0.0.1:{closed_port}/v1")

    answer = await post(gateway, surface, streamed=streamed)

    assert answer.status_code == 502
    assert error_of(answer)["code"] == "upstream_unreachable"
    assert str(closed_port) not in answer.text


@json_or_stream
@every_way
async def test_silence_before_the_head_is_504(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    upstream.play(Script(PATHS[dialect], (), framing="raw", end="stall"))
    gateway = await start(dialect, chat2response_http_timeout_seconds=0.05)

    answer = await post(gateway, surface, streamed=streamed)

    assert answer.status_code == 504
    assert error_of(answer)["code"] == "upstream_timeout"
    await upstream.until(lambda: upstream.last.gone.is_set())


NOT_HTTP = (
    b"",
    b"\x00\x01\x02 garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 999999 no\r\n\r\n",
)


@every_way
async def test_what_is_not_http_is_502(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    gateway = await start(dialect)
    for garbage in NOT_HTTP:
        upstream.play(Script(PATHS[dialect], (garbage,), framing="raw"))
        answer = await post(gateway, surface)
        assert (answer.status_code, error_of(answer)["code"]) == (502, "upstream_unreachable"), garbage


NO_ANSWER = (b"<html>hello</html>", b"", b"[]", b'{"choices": []}', b'{"object": "response"')


@json_or_stream
@converted_way
async def test_an_answer_that_cannot_be_read_is_502(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    gateway = await start(dialect)
    for garbage in NO_ANSWER:
        upstream.play(Script(PATHS[dialect], (garbage,)))
        answer = await post(gateway, surface, streamed=streamed)
        assert (answer.status_code, error_of(answer)["type"]) == (502, "server_error"), garbage


@pytest.mark.parametrize("end", ["cut", "reset"])
@every_way
async def test_a_json_answer_cut_short_is_502(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, end: Any
) -> None:
    upstream.play(Script(PATHS[dialect], (b'{"id": "x", "object"',), end=end))
    gateway = await start(dialect)

    answer = await post(gateway, surface)

    assert answer.status_code == 502


@every_way
async def test_a_json_answer_that_stops_is_504(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(Script(PATHS[dialect], (b'{"id": "x", "object"',), end="stall"))
    gateway = await start(dialect, chat2response_http_timeout_seconds=0.05)

    answer = await post(gateway, surface)

    assert answer.status_code == 504
    await upstream.until(lambda: upstream.last.gone.is_set())


# -- 200, and then an error ---------------------------------------------------------------------------

LEADING: list[tuple[dict[str, Any], int]] = [
    ({"message": "Full up.", "type": "overloaded", "param": None, "code": 503}, 503),
    ({"message": "Slow down.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}, 429),
    ({"message": "Bad.", "type": "invalid_request_error", "param": "x", "code": 400}, 400),
    ({"message": "Broken.", "type": "server_error", "param": None, "code": None}, 502),
]


@every_way
async def test_an_error_as_first_frame_is_a_status(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    gateway = await start(dialect)
    for error, status in LEADING:
        frame = b": warming up\n\ndata: " + json.dumps({"error": error}).encode() + b"\n\n"
        upstream.play(frames(dialect, frame, b"data: [DONE]\n\n").adding(*LIMITS))

        answer = await post(gateway, surface, streamed=True)

        assert answer.status_code == status
        told = error_of(answer)
        assert (told["message"], told["type"], told["param"]) == (
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
    """OpenAI's own way: an `error` event, flat, as the first thing said."""
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
    """To the SDK it would be a stream without events, or a completion without choices."""
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


async def test_our_own_refusals_have_the_same_shape(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("chat")

    answer = await gateway.post(RESPONSES, body_for("responses", background=True))

    assert error_of(answer)["param"] == "background"
    assert answer.headers["x-request-id"].startswith("req_")
    assert upstream.requests == []


async def test_a_stream_head_without_a_type_is_still_a_stream(
    start: Start, upstream: ScriptedUpstream
) -> None:
    """Some backends name no content type; what they send is events all the same."""
    done = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
    upstream.play(Script(CHAT, (done,), media_type=None, framing="chunked"))
    gateway = await start("chat")

    answer = await post(gateway, "responses", streamed=True)

    assert b"response.completed" in answer.content
    assert answer.headers["content-type"].startswith(STREAM)
