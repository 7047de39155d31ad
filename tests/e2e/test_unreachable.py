"""An unreachable or invalid upstream is a 502, a silent one a 504."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import converted_way, error_of, every_way, json_or_stream, post
from tests.support.e2e.scripted_model import PATHS
from tests.support.scripted_upstream import Script, ScriptedUpstream


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
    """A bound port without a listener: it refuses connections."""
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


@pytest.mark.parametrize(
    "body",
    [b'{"detail": "Not Found"}', b'{"error": {"code": 404, "message": "File Not Found", "type": "x"}}', b""],
)
@json_or_stream
@every_way
async def test_an_upstream_without_the_endpoint_is_told_with_its_likely_cause(
    start: Start,
    upstream: ScriptedUpstream,
    caplog: pytest.LogCaptureFixture,
    surface: Surface,
    dialect: str,
    streamed: bool,
    body: bytes,
) -> None:
    upstream.play(Script(PATHS[dialect], (body,), status=404))
    gateway = await start(dialect)

    answers = [await post(gateway, surface, streamed=streamed) for _ in range(3)]

    other = "responses" if dialect == "chat" else "chat"
    for answer in answers:
        assert answer.status_code == 404
        assert f"UPSTREAM_MODE={other}" in error_of(answer)["message"]
        assert str(upstream.port) not in answer.text
    lines = [line for line in caplog.messages if "no such endpoint" in line]
    assert len(lines) == 1, "once a minute"
    assert f"{upstream.url}{PATHS[dialect].removeprefix('/v1')}" in lines[0]


@every_way
async def test_a_404_about_the_model_stays_as_it_is(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    body = b'{"error": {"message": "The model `x` does not exist.", "type": "t", "param": null, "code": 404}}'
    upstream.play(Script(PATHS[dialect], (body,), status=404))
    gateway = await start(dialect)

    answer = await post(gateway, surface)

    assert answer.status_code == 404
    assert error_of(answer)["message"] == "The model `x` does not exist."


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
