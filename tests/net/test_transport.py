"""Requests as sent, heads as received, and servers that do not answer."""

import asyncio
import socket

import pytest

from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from chat2response.net.transport import Transport
from tests.support.http_requests import IMPATIENT, PATH, body_of, post
from tests.support.scripted_upstream import Script, ScriptedUpstream

# -- requests ----------------------------------------------------------------------------------------


async def test_a_request_goes_out_as_it_was_given(transport: Transport, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATH, (b"{}",)))
    headers = {"Content-Type": "application/json", "X-Odd": "é", "authorization": "Bearer k"}
    await body_of(await post(transport, upstream, b'{"a":1}', **headers))
    request = upstream.last
    assert (request.method, request.path, request.body) == ("POST", PATH, b'{"a":1}')
    names = [name for name, _ in request.order]
    assert set(headers) <= set(names), "names keep their case"
    assert len(names) == len({name.lower() for name in names})
    assert request.headers["host"] == f"127.0.0.1:{upstream.port}"
    assert request.headers["user-agent"] == "tests"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-length"] == "7"


async def test_a_get_has_no_body(transport: Transport, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATH, (b"[]",)))
    response = await transport.open("GET", f"{upstream.url}/x?limit=2", {})
    assert response.status == 404
    assert upstream.last.path == f"{PATH}?limit=2"
    assert "content-length" not in upstream.last.headers
    await body_of(response)


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 3_000_000])
async def test_a_body_of_any_size_goes_out(
    transport: Transport, upstream: ScriptedUpstream, size: int
) -> None:
    upstream.play(Script(PATH, (b"{}",)))
    body = b"x" * size
    await body_of(await post(transport, upstream, body))
    assert upstream.last.body == body


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb"])
async def test_a_header_cannot_break_its_line(
    transport: Transport, upstream: ScriptedUpstream, value: str
) -> None:
    with pytest.raises(UpstreamUnreachable):
        await post(transport, upstream, Authorization=value)
    assert upstream.accepted == 0


async def test_a_header_that_http_cannot_say_is_an_error_of_ours(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    with pytest.raises(UpstreamUnreachable):
        await post(transport, upstream, Authorization="Bearer sk-…")


# -- heads -------------------------------------------------------------------------------------------


async def test_headers_arrive_in_order_with_case_and_duplicates(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    params = (("X-Request-ID", "req_1"), ("x-ratelimit-a", "1"), ("X-RateLimit-A", "2"), ("X-Bytes", "\xe9"))
    upstream.play(Script(PATH, (b"{}",), headers=params, status=429))
    response = await post(transport, upstream)
    assert response.status == 429
    assert response.headers[-4:] == [(name.encode(), value.encode("latin-1")) for name, value in params]
    assert response.header("x-request-id") == "req_1"
    assert response.header("CONTENT-TYPE") == "application/json"
    assert response.header("x-none") is None
    await body_of(response)


async def test_a_redirect_is_not_followed(transport: Transport, upstream: ScriptedUpstream) -> None:
    upstream.play(Script(PATH, (b"",), status=307, headers=(("Location", f"{upstream.url}/y"),)))
    response = await post(transport, upstream)
    assert response.status == 307
    await body_of(response)
    assert [request.path for request in upstream.requests] == [PATH]


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_needs_no_length(
    transport: Transport, upstream: ScriptedUpstream, status: int
) -> None:
    raw = b"HTTP/1.1 %d X\r\nX-A: b\r\n\r\n" % status
    upstream.play(Script(PATH, (raw, asyncio.Event()), framing="raw"))
    response = await post(transport, upstream)
    assert (response.status, await body_of(response)) == (status, b"")


async def test_what_only_announces_the_head_is_passed_over(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nX-Final: yes\r\nContent-Length: 2\r\n\r\n{}"
    upstream.play(Script(PATH, (hints, final), framing="raw"))
    response = await post(transport, upstream)
    assert response.headers == [(b"X-Final", b"yes"), (b"Content-Length", b"2")]
    assert await body_of(response) == b"{}"


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: y\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        b"HTTP/1.1 200",
        b"",
    ],
)
async def test_what_is_no_answer_is_a_502(
    transport: Transport, upstream: ScriptedUpstream, raw: bytes
) -> None:
    upstream.play(Script(PATH, (raw,), framing="raw"))
    with pytest.raises(UpstreamError) as caught:
        await post(transport, upstream)
    assert caught.value.status == 502
    await upstream.until(lambda: not upstream.open)


async def test_an_answer_may_come_before_the_request_is_whole(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    response = await transport.open("POST", f"http://127.0.0.1:{port}/", {}, b"x" * 1_000_000)
    assert (response.status, await body_of(response)) == (413, b"{}")
    server.close()


# -- no connection -----------------------------------------------------------------------------------


async def test_a_refused_connection_is_a_502_without_the_address(transport: Transport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(UpstreamUnreachable) as caught:
            await transport.open("POST", f"http://127.0.0.1:{port}/v1/x", {}, b"")
    assert "refused the connection" in caught.value.message
    assert str(port) not in caught.value.message
    assert f"127.0.0.1:{port}" in str(caught.value.internal)


async def test_a_server_that_does_not_encrypt_is_a_502_for_https(transport: Transport) -> None:
    def answer_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer_plainly, "127.0.0.1", 0)
    with pytest.raises(UpstreamUnreachable, match=r"does not speak TLS at this port\..*http://"):
        await transport.open("POST", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, b"")
    server.close()


async def test_a_server_that_encrypts_is_named_as_one_for_http(
    transport: Transport, upstream: ScriptedUpstream
) -> None:
    alert = b"\x15\x03\x03\x00\x02\x02\x46"  # of TLS: fatal, protocol_version
    upstream.play(Script(PATH, (alert,), framing="raw"))
    with pytest.raises(UpstreamUnreachable, match=r"expects TLS on this port\. Write https://"):
        await post(transport, upstream)


async def test_an_unknown_host_is_a_502(transport: Transport) -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        await transport.open("POST", "http://no-such-host.invalid/v1/x", {}, b"")
    assert "(DNS)" in caught.value.message
    assert "no-such-host" not in caught.value.message
    assert "no-such-host.invalid" in str(caught.value.internal)


@pytest.mark.parametrize(
    "url", ["", "api.openai.com/v1", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/", "http://[::1/"]
)
async def test_an_address_that_is_none_is_a_502(transport: Transport, url: str) -> None:
    with pytest.raises(UpstreamUnreachable):
        await transport.open("POST", url, {}, b"")


async def test_a_connection_that_is_not_made_in_time_is_a_504() -> None:
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filler.connect(listener.getsockname())  # the backlog is full: the next one waits
        transport = Transport(IMPATIENT)
        with pytest.raises(UpstreamTimeout, match="could not connect to the upstream within"):
            for _ in range(8):
                await transport.open("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, b"")
        await transport.close()
