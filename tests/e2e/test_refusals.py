"""Upstream errors before the first byte: an HTTP status with the upstream's message, for every pair."""

from typing import Any

import openai
import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import body_for, error_of, every_way, json_or_stream, post, sdk_call
from tests.support.e2e.gateway import CLIENT_BEARER, OPERATOR_KEY
from tests.support.e2e.scripted_model import LIMITS, PATHS, RESPONSES, refused
from tests.support.scripted_upstream import Script, ScriptedUpstream

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
async def test_row_48_a_refusal_keeps_status_words_and_headers(
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

        result = raised.value
        words = {"code": result.code, "param": result.param, "type": result.type}
        assert (result.status_code, words | {"message": error["message"]}) == (status, error)
        assert error["message"] in result.message
        assert result.request_id == upstream.last.headers["x-request-id"]
        assert result.response.headers["retry-after"] == "7"


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
    error = error_of(answer)
    assert (error["type"], error["code"]) == (
        "upstream_authentication_error",
        "upstream_authentication_error",
    )
    assert "Incorrect" not in error["message"] and OPERATOR_KEY not in answer.text
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
async def test_row_48_errors_in_other_shapes_become_openais(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    gateway = await start(dialect)
    for body, message in ODD_ERRORS:
        upstream.play(Script(PATHS[dialect], (body,), status=400, media_type="text/plain"))

        answer = await post(gateway, surface)

        assert answer.status_code == 400
        error = error_of(answer)
        assert message in error["message"]
        assert error["type"] == "invalid_request_error"


async def test_our_own_refusals_have_the_same_shape(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("chat")

    answer = await gateway.post(RESPONSES, body_for("responses", background=True))

    assert error_of(answer)["param"] == "background"
    assert answer.headers["x-request-id"].startswith("req_")
    assert upstream.requests == []


@pytest.mark.parametrize("status", [0, 1, 99, 101, 102, 199, 205, 299, 304, 399, 599, 600, 601, 777, 999])
@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_any_status_of_an_upstream_is_answered(
    start: Start, upstream: ScriptedUpstream, dialect: str, status: int
) -> None:
    """An invalid HTTP status becomes a 502 with an error body, relayed and converted."""
    reason = b"HTTP/1.1 %03d Odd\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}" % status
    upstream.play(Script(PATHS[dialect], (reason,), framing="raw"))
    gateway = await start(dialect)
    for surface in ("chat", "responses"):
        for streamed in (False, True):
            answer = await post(gateway, surface, streamed=streamed)
            if 200 <= status < 300:
                assert answer.status_code in (status, 502)
                continue
            assert answer.status_code == (status if status == 599 else 502)
            assert error_of(answer)["message"]
