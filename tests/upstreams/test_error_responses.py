"""What the client sees of an upstream's error: its message in every vendor's format, and no secrets."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.errors import UpstreamUnauthorized
from chat2response.upstreams.base import Target
from chat2response.upstreams.error_responses import forwarded_headers, mask, refusal_error
from chat2response.wire.headers import HeaderList

KEY = "sk-operator-0123456789"
TARGET = Target(CHAT, "https://llm.inner.example:8443/v1", KEY)
PASSTHROUGH = Target(CHAT, "https://llm.inner.example:8443/v1", None, managed=False)


@dataclass
class FakeHttpResponse:
    headers: HeaderList


def passed(*headers: tuple[bytes, bytes]) -> HeaderList:
    response: Any = FakeHttpResponse([*headers])
    return forwarded_headers(response)


@pytest.mark.parametrize(
    "name",
    [
        *("retry-after", "retry-after-ms", "x-should-retry", "openai-processing-ms", "openai-version"),
        *("x-ratelimit-limit-requests", "x-ratelimit-reset-tokens", "ratelimit-remaining"),
    ],
)
def test_what_a_client_acts_on_passes(name: str) -> None:
    assert passed((name.title().encode(), b"7")) == [(name.encode(), b"7")]


@pytest.mark.parametrize(
    "name",
    [
        *("set-cookie", "server", "via", "content-length", "content-encoding", "transfer-encoding"),
        *("connection", "openai-organization", "openai-project", "x-envoy-upstream", "location"),
        *("strict-transport-security", "access-control-allow-origin", "www-authenticate"),
    ],
)
def test_nothing_else_does(name: str) -> None:
    assert passed((name.encode(), b"x")) == []


def test_the_upstreams_request_id_has_another_name() -> None:
    assert passed((b"X-Request-ID", b"theirs")) == [(b"x-upstream-request-id", b"theirs")]


def test_headers_keep_their_order_and_their_doubles() -> None:
    headers = ((b"X-RateLimit-A", b"1"), (b"Server", b"x"), (b"x-ratelimit-a", b"2"), (b"Retry-After", b"3"))
    assert passed(*headers) == [(b"x-ratelimit-a", b"1"), (b"x-ratelimit-a", b"2"), (b"retry-after", b"3")]


# -- shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"M","type":"t","code":"c","param":"p"}}', "M"),
        (b'{"error":"M"}', "M"),
        (b'{"object":"error","message":"M","type":"t","code":"c"}', "M"),
        (b'{"detail":"M"}', "M"),
        (b'{"detail":[{"loc":["body"],"msg":"M"},{"msg":"N"}]}', "M; N"),
        (b'{"message":"M"}', "M"),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"M"}}', "M"),
        (b"M", "M"),
        (b'data: {"error":{"message":"M"}}\n\n', "M"),
        (b'\xef\xbb\xbfdata: {"error":{"message":"M"}}\r\n\r\n', "M"),
        (b': warming up\n\nevent: error\ndata: {"message":"M"}', "M"),
        (b'error: {"message":"M"}\n\n', "M"),
        (b"event: error\ndata: M\n\ndata: [DONE]\n\n", "M"),
        (b"data: [DONE]\n\n", "data: [DONE]"),
        (b'{"error":{"message":"M","seen":NaN}}', "M"),
        (b"<html>M</html>", "<html>M</html>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", "The upstream answered with status 503."),
        (b"{}", "{}"),
        (b"x" * 2000, "x" * 500),
    ],
)
def test_every_shape_has_its_words(body: bytes, message: str) -> None:
    error = refusal_error(body, 503, [], TARGET)
    assert (error.status, error.message) == (503, message)
    assert set(error.fields()) == {"message", "type", "param", "code"}


def test_type_code_and_param_are_the_upstreams() -> None:
    error = refusal_error(b'{"error":{"message":"M","type":"t","code":"c","param":"p"}}', 400, [], TARGET)
    assert error.fields() == {"message": "M", "type": "t", "code": "c", "param": "p"}


def test_the_headers_go_with_it() -> None:
    error = refusal_error(b"", 429, [(b"retry-after", b"7"), (b"x-upstream-request-id", b"r")], TARGET)
    assert error.headers == {"retry-after": "7", "x-upstream-request-id": "r"}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_our_own_key_is_hidden_from_the_client(status: int) -> None:
    body = (
        b'{"error":{"message":"Incorrect API key provided: sk-operator-0123456789","code":"invalid_api_key"}}'
    )
    error = refusal_error(body, status, [(b"x-upstream-request-id", b"r")], TARGET)
    assert isinstance(error, UpstreamUnauthorized)
    assert (error.status, error.code, error.type) == (
        502,
        "upstream_authentication_error",
        "upstream_authentication_error",
    )
    assert "sk-" not in error.message
    assert "rejected the gateway's API key. Check OPENAI_API_KEY" in error.message
    assert error.headers == {"x-upstream-request-id": "r"}
    assert str(status) in (error.internal or "")


def test_where_no_key_is_sent_that_is_said() -> None:
    error = refusal_error(b'{"error": "Unauthorized"}', 401, [], replace(TARGET, api_key=None))
    assert isinstance(error, UpstreamUnauthorized)
    assert "has no API key. Set OPENAI_API_KEY" in error.message


@pytest.mark.parametrize("status", [401, 403])
def test_in_passthrough_it_is_the_clients_own_affair(status: int) -> None:
    error = refusal_error(b'{"error":{"message":"No.","code":"invalid_api_key"}}', status, [], PASSTHROUGH)
    assert (error.status, error.code, error.message) == (status, "invalid_api_key", "No.")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_502_that_tells_no_address(status: int) -> None:
    error = refusal_error(b'{"error":{"message":"go to https://elsewhere.example"}}', status, [], TARGET)
    assert error.status == 502
    assert error.message == f"The upstream answered with status {status}: redirects are not followed."


# -- masks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"key {KEY}!", "key [key]!"),
        ("key sk-proj-abc_DEF-1234567890.", "key [key]."),
        ("key sk-abc***********wxyz", "key [key]"),
        ("https://llm.inner.example:8443/v1/chat/completions", "[upstream]/chat/completions"),
        ("Cannot connect to llm.inner.example:8443 ssl", "Cannot connect to [upstream] ssl"),
        ("no such host: llm.inner.example", "no such host: [upstream]"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer [key]"),
        (f"key sk_{'0' * 32}.{'a' * 64} of ours", "key [key] of ours"),
        (
            "nothing to hide: task-force, risk-averse, ask-me",
            "nothing to hide: task-force, risk-averse, ask-me",
        ),
    ],
)
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert mask(text, TARGET) == masked


@pytest.mark.parametrize(
    ("base_url", "text", "masked"),
    [
        ("http://ollama:11434/v1", "ollama at ollama:11434", "ollama at [upstream]"),
        ("http://10.0.0.7/v1", "10.0.0.7 refused", "[upstream] refused"),
        ("http://[fd00::7]:8000/v1", "[fd00::7]:8000 and fd00::7", "[upstream] and [upstream]"),
        ("http://user:pw@inner.example/v1", "user:pw@inner.example, inner.example", "[upstream], [upstream]"),
        ("", "nothing", "nothing"),
    ],
)
def test_addresses_are_masked_in_every_form(base_url: str, text: str, masked: str) -> None:
    assert mask(text, Target(CHAT, base_url)) == masked


def test_a_key_of_an_odd_form_is_masked_as_it_is() -> None:
    assert mask("token is hunter2hunter2", Target(CHAT, "", "hunter2hunter2")) == "token is [key]"
