"""How heads, bodies, trailers, upgrades and pipelines reach the application, however reads split them."""

import asyncio
import json
import logging
import re
from typing import Any

import pytest

from chat2response.server import http_protocol
from chat2response.server.error_answers import MAX_HEAD, MAX_WAITING
from chat2response.server.time_limits import WINDOW
from tests.support.cli.server_protocol import Served, cuts, served

GET = b"GET /x HTTP/1.1\r\nHost: h\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
DECIDING = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-admin-token",
    "host",
    "origin",
    "content-type",
    "content-encoding",
    "idempotency-key",
    "x-request-id",
    "x-chat2response-hops",
    "x-chat2response-fidelity",
    "x-chat2response-client",
    "upgrade",
    "expect",
    "if-none-match",
    "access-control-request-method",
    "access-control-request-headers",
    "sec-fetch-site",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-host",
    "x-original-forwarded-for",
    "x-envoy-external-address",
    "true-client-ip",
    "cf-connecting-ip",
    "fly-client-ip",
    "cookie",
    "connection",
]
"""Headers that decide something here, or did in other servers."""


def code_of(connection: Served) -> str:
    body = connection.wire.out.rpartition(b"\r\n\r\n")[2]
    error: dict[str, Any] = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return str(error["code"])


# -- trailers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DECIDING)
async def test_a_trailer_is_no_header_in_one_read_or_in_two(name: str) -> None:
    """Nothing that follows a head changes it."""
    before = CHUNKED + b"X-Last: 1\r\n\r\n2\r\n{}\r\n0\r\n"
    trailer = name.encode() + b": 127.0.0.1\r\n\r\n"
    plain = await served(before + b"\r\n")
    assert plain.statuses == [200] and plain.requests[0].body == b"{}"
    for pieces in ((before + trailer,), (before, trailer), *cuts(before + trailer, len(before) - 8)):
        connection = await served(*pieces)
        assert connection.requests == plain.requests
        assert connection.wire.out == plain.wire.out


async def test_trailers_do_not_reach_the_next_request_either() -> None:
    data = CHUNKED + b"\r\n0\r\nX-Api-Key: a\r\nHost: other\r\n\r\n" + GET + b"\r\n"
    for pieces in ((data,), *cuts(data)):
        connection = await served(*pieces)
        assert connection.statuses == [200, 200]
        assert connection.requests[1].headers == [(b"host", b"h")]


async def test_trailers_and_chunk_extensions_are_bounded() -> None:
    for endless in (b"0\r\nX: ", b"1;x="):
        connection = await served(CHUNKED + b"\r\n" + endless, *[b"a" * 1000] * 70)
        assert connection.statuses == [431] and code_of(connection) == "request_framing_too_large"
        assert not connection.requests


# -- the size of a head ------------------------------------------------------------------------------


def sized(size: int, first: bytes = GET) -> bytes:
    head = first + b"X-Filler: " + b"\r\n\r\n"
    return first + b"X-Filler: " + b"a" * (size - len(head)) + b"\r\n\r\n"


@pytest.mark.parametrize("step", [1 << 20, 65_536, 60_000, 1000])
async def test_the_bound_of_a_head_holds_however_it_is_cut(step: int) -> None:
    for size, expected in ((MAX_HEAD, 200), (MAX_HEAD + 1, 431), (120_000, 431), (300_000, 431)):
        data = sized(size)
        connection = await served(*(data[at : at + step] for at in range(0, size, step)))
        assert connection.statuses == [expected], size
        assert len(connection.requests) == (expected == 200)


async def test_it_holds_for_many_headers_and_for_one_behind_another_request() -> None:
    many = GET + b"".join(b"X-%d: %b\r\n" % (each, b"a" * 100) for each in range(1000)) + b"\r\n"
    assert (await served(many)).statuses == [431]
    behind = await served(GET + b"\r\n" + sized(MAX_HEAD + 200))
    assert behind.statuses == [200, 431]
    with_body = await served(POST + b"Content-Length: 70000\r\n\r\n" + b"a" * 70_000 + sized(120_000))
    assert with_body.statuses == [200, 431]


@pytest.mark.parametrize("step", [1 << 20, 1000])
async def test_a_request_line_past_the_bound_is_431(step: int) -> None:
    data = b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n"
    connection = await served(*(data[at : at + step] for at in range(0, len(data), step)))
    assert connection.statuses == [431] and code_of(connection) == "request_head_too_large"


async def test_a_large_body_beside_a_small_head_is_no_large_head() -> None:
    body = b"a" * 300_000
    head = POST + b"Content-Length: 300000\r\n\r\n"
    for pieces in ((head + body,), (head, body), (head[:-1], head[-1:] + body)):
        connection = await served(*pieces)
        assert connection.statuses == [200] and connection.requests[0].body == body


# -- invalid requests ------------------------------------------------------------------------------

BROKEN = {
    b"GET /x HTTP/1.1\r\n\r\n": "invalid_host",
    GET + b"Host: h\r\n\r\n": "invalid_host",
    GET + b"Host: other\r\n\r\n": "invalid_host",
    b"GET /x HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n": "invalid_host",
    b"GET /x\r\n\r\n": "unsupported_http_version",
    b"GET /x HTTP/0.9\r\nHost: h\r\n\r\n": "unsupported_http_version",
    b"GET /x HTTP/2.0\r\nHost: h\r\n\r\n": "unsupported_http_version",
    b"GET /x HTTP/1.2\r\nHost: h\r\n\r\n": "invalid_http",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": "invalid_http",
    b"GET http://other/x HTTP/1.1\r\nHost: h\r\n\r\n": "invalid_request_target",
    b"GET http://u@h/x HTTP/1.1\r\nHost: h\r\n\r\n": "invalid_request_target",
    b"GET ftp://h/x HTTP/1.1\r\nHost: h\r\n\r\n": "invalid_request_target",
    b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n": "invalid_request_target",
    b"GET /a\x01b HTTP/1.1\r\nHost: h\r\n\r\n": "invalid_http",
    b"GET /a\x7fb HTTP/1.1\r\nHost: h\r\n\r\n": "invalid_http",
    b"GET /a\xffb HTTP/1.1\r\nHost: h\r\n\r\n": "invalid_http",
    b"GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n": "invalid_http",
    GET + b"X: a\r\n b\r\n\r\n": "invalid_http",  # a folded line
    GET + b"X : a\r\n\r\n": "invalid_http",
    GET + b"X: a\x00b\r\n\r\n": "invalid_http",
    GET + b"X: a\nY: b\r\n\r\n": "invalid_http",
    b"GET /x HTTP/1.1\nHost: h\n\n": "invalid_http",
    POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "invalid_http",
    CHUNKED + b"Content-Length: 2\r\n\r\n0\r\n\r\n": "invalid_http",
    POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}": "invalid_http",
    POST + b"Content-Length: 2, 2\r\n\r\n{}": "invalid_http",
    POST + b"Content-Length: +2\r\n\r\n{}": "invalid_http",
    POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n": "unsupported_transfer_encoding",
    POST + b"Transfer-Encoding: identity\r\n\r\n{}": "unsupported_transfer_encoding",
    CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n": "invalid_http",
    b"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "unsupported_transfer_encoding",
    CHUNKED + b"\r\n1\na\n0\n\n": "invalid_http",
    CHUNKED + b"\r\n0x1\r\na\r\n0\r\n\r\n": "invalid_http",
    CHUNKED + b"\r\n1\r\nab\r\n0\r\n\r\n": "invalid_http",
    CHUNKED + b"\r\n10000000000000001\r\na": "invalid_http",
}


@pytest.mark.parametrize(("sent", "code"), BROKEN.items())
async def test_what_could_be_read_in_two_ways_is_refused(sent: bytes, code: str) -> None:
    """The server answers once and closes the connection; what follows is never parsed as a request."""
    for pieces in ((sent + GET + b"\r\n",), *cuts(sent)):
        connection = await served(*pieces)
        assert connection.statuses == [400] and code_of(connection) == code
        assert not connection.requests


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /x HTTP/1.0\r\n\r\n",
        b"GET /x HTTP/1.0\r\nHost: h\r\n\r\n",
        GET + b"\r\n",
        b"GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET HTTP://H:80/x HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
async def test_plain_requests_pass(sent: bytes) -> None:
    for pieces in ((sent,), *cuts(sent)):
        connection = await served(*pieces)
        assert connection.statuses == [200] and connection.requests[0].path == "/x"


async def test_a_url_without_a_path_names_the_root() -> None:
    assert (await served(b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n")).requests[0].path == "/"


async def test_what_breaks_within_a_body_is_answered_once() -> None:
    """The application waits for that body, and must not answer as well."""
    data = CHUNKED + b"\r\n2\r\n{}\r\nzz\r\n"
    for pieces in ((data,), *cuts(data)):
        connection = await served(*pieces)
        assert connection.statuses == [400] and not connection.requests


# -- upgrades ----------------------------------------------------------------------------------------

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"


@pytest.mark.parametrize(
    "upgrade", [H2C, b"Connection: upgrade\r\nUpgrade: TLS/1.3, h2c\r\n", b"Upgrade: h2c\r\n"]
)
async def test_an_upgrade_that_is_not_ours_is_ignored_and_the_body_stays(upgrade: bytes) -> None:
    """Java's HttpClient and `curl --http2` ask for an upgrade with every request."""
    sized_one = POST + upgrade + b"Content-Length: 9\r\n\r\n" + b'{"a": 12}'
    chunked = CHUNKED + upgrade + b"\r\n9\r\n" + b'{"a": 12}' + b"\r\n0\r\nX-Api-Key: t\r\n\r\n"
    for data in (sized_one, chunked):
        for pieces in ((data,), *cuts(data)):
            connection = await served(*pieces)
            assert connection.statuses == [200]
            assert connection.requests[0].body == b'{"a": 12}'
            assert (b"x-api-key", b"t") not in connection.requests[0].headers


async def test_requests_behind_an_upgrade_are_requests() -> None:
    data = (POST + H2C + b"Content-Length: 2\r\n\r\n{}") * 2 + GET + H2C + b"\r\n" + GET + b"\r\n"
    for pieces in ((data,), *cuts(data)):
        connection = await served(*pieces)
        assert connection.statuses == [200] * 4
        assert [each.body for each in connection.requests] == [b"{}"] * 2 + [b""] * 2


async def test_the_application_still_sees_who_asks_for_a_websocket() -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    (request,) = (await served(GET + upgrade + b"\r\n")).requests
    assert (b"upgrade", b"websocket") in request.headers and (b"connection", b"Upgrade") in request.headers


# -- pipelines ---------------------------------------------------------------------------------------


async def test_a_trailer_that_closes_ends_the_connection_behind_the_answer() -> None:
    """The parser treats it as the head's and parses nothing more, so the server closes the connection."""
    body = b"2\r\nab\r\n0\r\nConnection: close\r\n\r\n"
    for pieces in (
        (CHUNKED_HEAD + body + ANOTHER,),
        (CHUNKED_HEAD + body, ANOTHER),
        (CHUNKED_HEAD, body, ANOTHER),
    ):
        connection = await served(*pieces)
        assert connection.statuses == [200]
        assert b"\r\nconnection: close\r\n" in connection.wire.out
        assert connection.wire.closed.is_set()


async def test_a_trailer_that_closes_behind_its_answer_ends_the_connection() -> None:
    connection = Served()
    await connection.send(CHUNKED_HEAD + b"2\r\nab\r\n")
    connection.protocol.cycle.response_complete = True  # the application answered before the body ended
    await connection.send(b"0\r\nConnection: close\r\n\r\n")
    assert connection.wire.closed.is_set()
    connection.end()


CHUNKED_HEAD = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
ANOTHER = b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"


async def test_requests_in_one_write_are_answered_in_order() -> None:
    data = b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % each for each in range(MAX_WAITING))
    connection = await Served().send(data)
    async with asyncio.timeout(30):
        while len(connection.requests) < MAX_WAITING:
            await connection.settle()
    connection.end()
    assert [each.path for each in connection.requests] == [f"/{each}" for each in range(MAX_WAITING)]


async def test_more_of_them_than_the_bound_end_the_connection_behind_their_answers() -> None:
    connection = Served()
    connection.go.clear()
    await connection.send(*[GET + b"\r\n"] * (2 * MAX_WAITING))
    assert len(connection.protocol.pipeline) == MAX_WAITING and not connection.wire.out
    connection.go.set()
    async with asyncio.timeout(30):
        while len(connection.statuses) < MAX_WAITING + 2:
            await connection.settle()
    connection.end()
    assert connection.statuses == [200] * (MAX_WAITING + 1) + [400]
    assert code_of(connection) == "too_many_pipelined_requests"


@pytest.mark.parametrize(
    "behind", [b"\x00\x01", b"GET /x HTTP/1.1\r\n\r\n", CHUNKED + b"\r\nzz\r\n", sized(70_000)]
)
async def test_a_refusal_never_comes_into_an_answer_that_is_not_whole(behind: bytes) -> None:
    connection = Served()
    connection.go.clear()
    await connection.send(GET + b"\r\n", behind, b"more of it")
    assert not connection.wire.out
    connection.go.set()
    await connection.settle()
    await connection.settle()
    connection.end()
    assert connection.statuses[0] == 200 and connection.statuses[1:] in ([400], [431])
    assert len(connection.requests) == 1


# -- the rate of a body ------------------------------------------------------------------------------


class Clock:
    """A loop's clock that the test advances; timers fire with it."""

    def __init__(self, connection: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, Any, Any]] = []
        monkeypatch.setattr(connection.protocol, "loop", self)
        self.create_task = asyncio.get_running_loop().create_task
        self.call_soon = asyncio.get_running_loop().call_soon

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Any, *args: Any) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self.now + seconds, callback, args, asyncio.get_running_loop())
        self._due.append((self.now + seconds, handle, callback))
        return handle

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while due := min(
            (each for each in self._due if each[0] <= end), key=lambda each: each[0], default=None
        ):
            self._due.remove(due)
            self.now, handle, callback = max(due[0], self.now), due[1], due[2]
            if not handle.cancelled():
                callback()
        self.now = end


def posted(length: int) -> bytes:
    return POST + b"Content-Length: %d\r\n\r\n" % length


async def test_a_byte_now_and_then_is_408_when_half_a_minute_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Served()
    clock = Clock(connection, monkeypatch)
    await connection.send(posted(1_000_000))
    for _ in range(int(WINDOW) - 1):
        clock.pass_by(1.0)
        await connection.send(b"a")
        assert not connection.wire.out
    clock.pass_by(1.0)
    await connection.settle()
    connection.end()
    assert connection.statuses == [408] and code_of(connection) == "request_body_too_slow"
    assert "1000 bytes per second" in connection.wire.out.decode()
    assert not connection.requests


@pytest.mark.parametrize(("step", "expected"), [(1010, 200), (990, 408)])
async def test_the_rate_is_a_thousand_bytes_a_second(
    monkeypatch: pytest.MonkeyPatch, step: int, expected: int
) -> None:
    connection = Served()
    clock = Clock(connection, monkeypatch)
    await connection.send(posted(step * 100))
    for _ in range(100):
        await connection.send(b"a" * step)
        clock.pass_by(1.0)
        await connection.settle()
    connection.end()
    assert connection.statuses == [expected]


async def test_framing_is_no_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunk extensions and trailers do not count as body bytes."""
    connection = Served()
    clock = Clock(connection, monkeypatch)
    await connection.send(CHUNKED + b"\r\n")
    for _ in range(40):
        await connection.send(b"1;x=" + b"a" * 2000 + b"\r\na\r\n")
        clock.pass_by(1.0)
        await connection.settle()
    connection.end()
    assert connection.statuses == [408]


async def test_the_rate_is_not_taken_while_an_earlier_request_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = Served()
    clock = Clock(connection, monkeypatch)
    connection.go.clear()
    await connection.send(GET + b"\r\n" + posted(2))
    clock.pass_by(10 * WINDOW)
    connection.go.set()
    await connection.settle()
    clock.pass_by(WINDOW - 1)  # the whole window starts here
    await connection.send(b"{}")
    await connection.settle()
    connection.end()
    assert connection.statuses == [200, 200]


# -- TLS ---------------------------------------------------------------------------------------------


async def test_tls_on_this_port_is_one_line_that_tells_what_to_do(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol._warn_tls, "_next", 0.0)
    hello = bytes.fromhex("16030101fc010001f80303") + bytes(range(256))
    with caplog.at_level(logging.INFO):
        for pieces in ((hello,), (hello[:1], hello[1:]), (hello[:3], hello[3:])):
            connection = await served(*pieces)
            assert connection.statuses == [400]
    assert len(caplog.records) == 1
    assert re.search(r"TLS \(https://\).*http://", caplog.text)
