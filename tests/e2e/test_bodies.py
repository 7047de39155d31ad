"""The request's body: limits, JSON, the key is checked first (law 10, every buffer has a bound)."""

import asyncio
import json
from typing import Any

import pytest

from chat2response.keys import INVALID
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import GUARDED, PATH, assert_no_entry, body_for, error_of
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, PATHS, RESPONSES, ModelReply, whole
from tests.support.scripted_upstream import PATIENCE, ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
CAP = 4096
AS_JSON = {"content-type": "application/json"}


async def test_the_key_is_checked_before_the_size(start: Start) -> None:
    gateway = await start("chat", chat2response_max_body_bytes=CAP)

    answer = await gateway.post(CHAT, b"x" * (CAP + 1), headers={"authorization": "Bearer no"})

    assert_no_entry(answer, INVALID)


async def test_a_refusal_does_not_wait_for_the_body(start: Start) -> None:
    """With a bad key or a too large Content-Length, the response arrives before the body is sent."""
    gateway = await start("chat", chat2response_max_body_bytes=CAP)
    for token, status in (("nobody", b"401"), (gateway.key, b"413")):
        answer = await _head_only(gateway, f"Authorization: Bearer {token}\r\nContent-Length: {CAP + 1}")
        assert answer.startswith(b"HTTP/1.1 " + status)


async def test_a_body_over_the_cap_is_413(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", REPLY), whole("responses", REPLY))
    gateway = await start("chat", chat2response_max_body_bytes=CAP)

    async def pieces(count: int) -> Any:
        for _ in range(count):
            yield b" " * 1024

    for path in (*PATHS.values(), "/proxy", "/convert"):
        known = await gateway.post(path, b" " * (CAP + 1))
        chunked = await gateway.http.post(path, content=pieces(5), headers=AS_JSON)
        for answer in (known, chunked):
            assert answer.status_code == 413
            assert error_of(answer)["code"] == "request_too_large"
            assert str(CAP) in error_of(answer)["message"]
    assert upstream.requests == []

    exactly = b'{"model":"m","messages":[]' + b" " * (CAP - 27) + b"}"
    assert len(exactly) == CAP
    assert (await gateway.post(CHAT, exactly)).status_code == 200


BAD = (
    (b"", "is empty: send a JSON object"),
    (b'{"model":', "could not parse"),
    (b'{"model": "\xff"}', "could not parse"),
    (b'{"model": "\\ud800"', "could not parse"),
    (b'{"mo\\ud800del": "m", "\\ud800"}', "could not parse"),
    (b'{"model": NaN,}', "could not parse"),
    (b"{} {}", "could not parse"),
    (b"[1]", "must be a JSON object"),
    (b'"hi"', "must be a JSON object"),
    (b"null", "must be a JSON object"),
)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_what_is_no_json_object_is_400(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    gateway = await start(dialect)
    for path in (CHAT, RESPONSES, "/proxy", "/convert"):
        for body, words in BAD:
            answer = await gateway.post(path, body)
            assert answer.status_code == 400, (path, body)
            assert words in error_of(answer)["message"]
            assert error_of(answer)["type"] == "invalid_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize("depth", [200, 300, 60_000])
@pytest.mark.parametrize(
    ("surface", "dialect"),
    [("chat", "responses"), ("responses", "chat"), ("proxy", "chat"), ("proxy", "responses")],
)
async def test_a_body_that_nests_too_deeply_is_400(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, depth: int
) -> None:
    gateway = await start(dialect)

    plain = json.dumps(body_for(surface)).encode()
    deep = plain[:-1] + b', "x-deep":' + b"[" * depth + b"]" * depth + b"}"
    answer = await gateway.post(PATH[surface], deep)

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "invalid_json"
    assert upstream.requests == []


async def test_identity_is_no_coding(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat")
    answer = await gateway.post(CHAT, body_for("chat"), headers={"content-encoding": "Identity"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((method, path, "POST") for _, path in GUARDED[:5] for method in ("GET", "PUT", "DELETE")),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/any", "GET, HEAD"),
        ("POST", "/livez", "GET, HEAD"),
        ("GET", "/convert", "POST"),
    ],
)
async def test_a_wrong_method_is_405(start: Start, method: str, path: str, allowed: str) -> None:
    gateway = await start("chat")

    answer = await gateway.http.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert error_of(answer)["code"] == "method_not_allowed"


async def _head_only(gateway: Running, headers: str) -> bytes:
    """The response to a request whose body is never sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
