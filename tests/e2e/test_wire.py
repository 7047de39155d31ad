"""Realistic HTTP: pieces, unrequested compression, dead connections, slow clients."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface, expected, of_completion, of_response
from tests.support.e2e.dialect_pairs import PATH, Reading, body_for, every_way, json_or_stream, post, text_of
from tests.support.e2e.scripted_model import CHAT, PATHS, Call, ModelReply, frames, stream, whole
from tests.support.e2e.sse_streams import last_response, validated
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

REPLY = ModelReply(
    reasoning=("I think, ", "€"),
    text=("Gr", "ü", "ße \u2028", "世界"),
    calls=(Call("look", ('{"a": ', '"ö"}')),),
)


def _bytes_of(script: Script) -> bytes:
    return b"".join(step for step in script.steps if isinstance(step, bytes))


@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@every_way
async def test_row_35_a_stream_may_come_byte_by_byte(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, framing: Any, line_end: bytes
) -> None:
    data = b"\xef\xbb\xbf" + _bytes_of(stream(dialect, REPLY)).replace(b"data: ", b"data:").replace(
        b"\n", line_end
    )
    pieces = tuple(data[at : at + 1] for at in range(len(data)))
    upstream.play(frames(dialect, *pieces).but(framing=framing))
    gateway = await start(dialect)
    gateway.recorder.judged = False  # a relay passes even the BOM on

    answer = await post(gateway, surface, streamed=True, stream_options={"include_usage": True})

    if dialect == ("chat" if surface == "chat" else "responses"):
        assert answer.content == data
    elif surface == "chat":
        assert text_of(surface, answer.content) == "".join(REPLY.text)
    else:
        received = of_response(validated(Response, last_response(answer.content)))
        assert received == expected(REPLY, relayed=False)


@json_or_stream
@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_what_was_compressed_unasked_is_unpacked(
    start: Start, upstream: ScriptedUpstream, dialect: str, streamed: bool
) -> None:
    script = stream(dialect, REPLY) if streamed else whole(dialect, REPLY)
    packed = gzip.compress(_bytes_of(script))
    upstream.play(script.but(steps=(packed[:50], packed[50:])).adding(("Content-Encoding", "gzip")))
    gateway = await start(dialect)

    for surface in ("chat", "responses", "proxy"):
        answer = await post(gateway, surface, streamed=streamed)
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        if surface == dialect:
            assert answer.content == _bytes_of(script)
        else:
            assert "世界" in answer.text


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_a_head_may_come_late_and_in_pieces(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    body = _bytes_of(whole(dialect, REPLY))
    head = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200\r\ncontent-type:application/json\r\n"
        b"CONTENT-LENGTH: %d\r\nconnection: close\r\n\r\n" % len(body)
    )
    pieces = tuple(head[at : at + 1] for at in range(len(head)))
    upstream.play(Script(PATHS[dialect], (*pieces, body), framing="raw"))
    gateway = await start(dialect)

    for surface in ("chat", "responses"):
        answer = await post(gateway, surface)
        assert answer.status_code == 200 and "世界" in answer.text


async def test_a_connection_that_died_while_idle_is_not_used(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat")
    assert (await post(gateway, "chat")).status_code == 200
    assert len(upstream.open) == 1

    for connection in tuple(upstream.open):
        connection.abort()
    await upstream.until(lambda: not upstream.open)
    assert (await gateway.http.get("/livez")).status_code == 200

    assert (await post(gateway, "chat")).status_code == 200
    assert upstream.accepted == 2


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_calls_at_once_have_connections_of_their_own(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    """Thirty concurrent streams, each with its own text."""
    gate = asyncio.Event()

    def echo(request: Any) -> Script:
        requested = request.json()
        question = requested["messages"][-1]["content"] if dialect == "chat" else requested["input"]
        script = stream(dialect, ModelReply(text=(str(question), "!")))
        return script.but(steps=(script.steps[0], gate, *script.steps[1:]))

    upstream.play_for(PATHS[dialect], echo)
    gateway = await start(dialect)

    async def ask(number: int) -> None:
        body = {"model": "m", "input": f"<{number}>", "stream": True, "store": False}
        answer = await gateway.post(PATHS["responses"], body)
        assert text_of("responses", answer.content) == f"<{number}>!"

    async with asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(ask(number))
        await upstream.wait_for_request(30)
        assert len(gateway.runs) == 30
        gate.set()
    assert upstream.accepted == 30


async def test_a_request_may_be_chunked(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat")
    body = json.dumps(body_for("chat")).encode()

    async def pieces() -> Any:
        for at in range(0, len(body), 7):
            yield body[at : at + 7]

    answer = await gateway.http.post(CHAT, content=pieces())

    assert answer.status_code == 200
    assert upstream.last.body == body
    assert upstream.last.headers["content-length"] == str(len(body))


@every_way
async def test_a_large_body_arrives_whole(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(whole(dialect, REPLY))
    gateway = await start(dialect)
    picture = "data:image/png;base64," + "QUJD" * 500_000

    image: Any = {"type": "image_url", "image_url": {"url": picture}}
    more: dict[str, Any] = {"messages": [{"role": "user", "content": [image]}]}
    if surface == "responses":
        more = {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": picture}]}]}
    answer = await post(gateway, surface, **more)

    assert answer.status_code == 200
    assert upstream.last.body.count(picture.encode()) == 1


async def test_requests_may_be_pipelined(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", ModelReply(text=("one",))), stream("chat", ModelReply(text=("two",))))
    gateway = await start("chat")
    requests = b""
    for streamed in (False, True):
        body = json.dumps(body_for("chat", streamed=streamed)).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
        requests += head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body

    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(requests)
    async with asyncio.timeout(PATIENCE):
        answers = await reader.readuntil(b"[DONE]\n\n")
    writer.close()
    await writer.wait_closed()

    assert answers.index(b'"one"') < answers.index(b'"two"')
    assert answers.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize("surface", ["chat", "responses"])
async def test_a_client_that_stops_reading_stops_the_upstream_too(
    start: Start, upstream: ScriptedUpstream, surface: Surface
) -> None:
    """Fifty megabytes for a client that reads one frame: backpressure reaches the upstream."""
    chunk = next(iter(ModelReply(text=("x" * 50_000,)).chunks()))
    chunk["choices"][0]["delta"] = {"content": "x" * 50_000}
    flood = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    upstream.play(frames("chat", *[flood] * 1000).but(end="stall"))
    silence = 0.2
    gateway = await start("chat", chat2response_http_timeout_seconds=silence)
    now = asyncio.get_running_loop().time

    body = body_for(surface, streamed=True)
    async with gateway.http.stream("POST", PATH[surface], json=body) as answer:
        reading = Reading(answer)
        await reading.until(b"xxx")
        (connection,) = upstream.open
        before, end = -1, now() + 3 * silence
        while (left := connection.unsent) != before or now() < end:  # as long as anything moves
            before = left
            await gateway.http.get("/livez")
        assert left > 30_000_000
        assert len(gateway.runs) == 1, "the silence is the client's, not the upstream's"
    await upstream.until(lambda: upstream.last.gone.is_set())


@every_way
async def test_nothing_of_it_depends_on_usage(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """Upstreams without usage: the response is complete and has no usage."""
    if dialect == "chat":
        body = REPLY.completion()
        del body["usage"]
    else:
        body = REPLY.resource(usage=None)
    upstream.play(Script(PATHS[dialect], (json.dumps(body).encode(),)))
    gateway = await start(dialect)

    answer = (await post(gateway, surface)).json()

    received = (
        of_completion(validated(ChatCompletion, answer))
        if surface == "chat"
        else of_response(validated(Response, answer))
    )
    assert received.usage is None
    assert received.text == "".join(REPLY.text)
