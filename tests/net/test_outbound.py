"""Requests through a real proxy, with and without TLS, and through proxies that are down, slow or broken."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from chat2response.net.proxies import Proxies, Proxy
from chat2response.net.transport import Transport, TransportOptions
from chat2response.wire.fault import RESET
from tests.support.http_requests import PATH, STREAM, Body, body_of, cut_of, post, until
from tests.support.outbound_proxy import LOGIN, SECRETS, Certificates, OutboundProxy, StartProxy
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

IMPATIENT = {"connect_timeout": 0.3, "read_timeout": 0.3}
Through = Callable[..., Transport]


@pytest.fixture
async def through(certificates: Certificates) -> AsyncIterator[Through]:
    """`through(url, **options)`: a transport that uses this proxy for everything; None: no proxy."""
    result: list[Transport] = []

    def make(url: str | None, ca_file: Path | None = certificates.ca, **options: Any) -> Transport:
        proxy = None if url is None else Proxy.of(url)
        value = TransportOptions(proxies=Proxies(proxy, proxy), ca_file=ca_file, **options)
        result.append(Transport(value))
        return result[-1]

    yield make
    for transport in result:
        await transport.close()


@pytest.fixture
async def tls_upstream(certificates: Certificates) -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(certificates.server()) as scripted:
        yield scripted


@pytest.fixture(params=["http", "https"])
def either(request: pytest.FixtureRequest, upstream: ScriptedUpstream, tls_upstream: ScriptedUpstream) -> Any:
    """An upstream, plain or with TLS."""
    return upstream if request.param == "http" else tls_upstream


# -- TLS ---------------------------------------------------------------------------------------------


async def test_an_upstream_speaks_tls(through: Through, tls_upstream: ScriptedUpstream) -> None:
    tls_upstream.play(Script(PATH, (b"hello",)))
    transport = through(None)
    for _ in range(3):
        assert await body_of(await post(transport, tls_upstream)) == b"hello"
    assert tls_upstream.accepted == 1


async def test_a_certificate_that_nobody_vouches_for_is_a_502(
    through: Through, tls_upstream: ScriptedUpstream
) -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        await post(through(None, ca_file=None), tls_upstream)
    assert "not trusted" in caught.value.message and "CHAT2RESPONSE_CA_FILE" in caught.value.message
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value.internal)
    assert tls_upstream.requests == []


async def test_so_is_one_for_another_name(through: Through, certificates: Certificates) -> None:
    async with ScriptedUpstream(certificates.server(), host="127.0.0.2") as elsewhere:
        with pytest.raises(UpstreamUnreachable) as caught:
            await through(None).open("GET", f"https://127.0.0.2:{elsewhere.port}/", {})
        assert elsewhere.requests == []
    assert caught.value.status == 502
    assert "another host name" in caught.value.message and "127.0.0.2" not in caught.value.message


async def test_the_systems_certificates_are_trusted_beside_ours(
    monkeypatch: pytest.MonkeyPatch,
    through: Through,
    tls_upstream: ScriptedUpstream,
    certificates: Certificates,
) -> None:
    """OpenSSL uses `SSL_CERT_FILE` as the system's certificates."""
    tls_upstream.play(Script(PATH, (b"hello",)))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    assert await body_of(await post(through(None, ca_file=None), tls_upstream)) == b"hello"


async def test_a_handshake_that_nobody_finishes_ends_with_the_server(certificates: Certificates) -> None:
    """Tests the test double: a handshake that it leaves open must not fail another test."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        async with ScriptedUpstream(certificates.server()) as scripted:
            await loop.sock_connect(client, ("127.0.0.1", scripted.port))
            await loop.sock_sendall(client, b"\x16\x03\x01")
            await until(lambda: scripted.handshakes)
        assert scripted.handshakes == 0
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionResetError):
                assert await loop.sock_recv(client, 1) == b""


# -- a proxy that works ------------------------------------------------------------------------------


async def test_a_plain_request_is_passed_on(
    through: Through, plain_proxy: OutboundProxy, upstream: ScriptedUpstream
) -> None:
    upstream.play(Script(PATH, (b"hello",)))
    response = await post(through(plain_proxy.url()), upstream, b"{}", **{"X-Own": "kept"})
    assert await body_of(response) == b"hello"
    request = upstream.last
    assert request.path == PATH, "the proxy makes a path of the whole address"
    assert (request.headers["host"], request.headers["x-own"]) == (f"127.0.0.1:{upstream.port}", "kept")
    assert "proxy.py" in request.headers["via"]


async def test_a_secret_request_goes_through_a_tunnel(
    through: Through, plain_proxy: OutboundProxy, tls_upstream: ScriptedUpstream
) -> None:
    tls_upstream.play(Script(PATH, (b"hello",)))
    transport = through(plain_proxy.url())
    for _ in range(3):
        assert await body_of(await post(transport, tls_upstream)) == b"hello"
    assert tls_upstream.accepted == 1, "the tunnel is used again"
    assert "via" not in tls_upstream.last.headers
    plain_proxy.saw(f"Connecting to upstream 127\\.0\\.0\\.1:{tls_upstream.port}")


async def test_a_login_is_told_to_the_proxy_only(
    through: Through, locked_proxy: OutboundProxy, either: ScriptedUpstream
) -> None:
    either.play(Script(PATH, (b"hello",)))
    response = await post(through(locked_proxy.url(LOGIN)), either)
    assert await body_of(response) == b"hello"
    locked_proxy.saw(f"Connecting to upstream 127\\.0\\.0\\.1:{either.port}")
    assert not any(secret in str(either.last.order) for secret in SECRETS)
    assert "proxy-authorization" not in either.last.headers


async def test_a_proxy_may_speak_tls_itself(
    through: Through, secure_proxy: OutboundProxy, either: ScriptedUpstream
) -> None:
    either.play(Script(PATH, (b"hello",)))
    response = await post(through(secure_proxy.url()), either)
    assert await body_of(response) == b"hello"
    secure_proxy.saw(f"Connecting to upstream 127\\.0\\.0\\.1:{either.port}")


async def test_a_stream_comes_through_as_it_is_made(
    through: Through, plain_proxy: OutboundProxy, either: ScriptedUpstream
) -> None:
    second = asyncio.Event()
    either.play(STREAM.but(steps=(b"data: 1\n\n", second, b"data: 2\n\n")))
    response = await post(through(plain_proxy.url()), either)
    body = Body(response)
    assert await body.next() == b"data: 1\n\n"
    second.set()
    assert [await body.next(), await body.next()] == [b"data: 2\n\n", b""]
    await response.close()


async def test_who_hangs_up_stops_the_upstream_behind_it(
    through: Through, plain_proxy: OutboundProxy, either: ScriptedUpstream
) -> None:
    either.play(STREAM.but(steps=(b"data: 1\n\n",), end="stall"))
    response = await post(through(plain_proxy.url()), either)
    await Body(response).next()
    await response.close()
    await either.until(either.last.gone.is_set)
    assert len(either.requests) == 1


# -- and one that does not ---------------------------------------------------------------------------


@pytest.mark.parametrize("login", [None, "canary-user:wrong-canary"])
async def test_a_login_that_is_refused_is_the_operators_affair(
    through: Through, locked_proxy: OutboundProxy, either: ScriptedUpstream, login: str | None
) -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        await post(through(locked_proxy.url(login)), either)
    error = caught.value
    assert (error.status, error.code) == (502, "proxy_authentication_required")
    assert "Check user and password in the proxy's URL" in error.message
    assert not any(
        result in error.message + str(error.internal) for result in ("canary", str(locked_proxy.port))
    )
    assert either.requests == []


async def test_a_407_of_an_upstream_is_the_upstreams(
    through: Through, plain_proxy: OutboundProxy, tls_upstream: ScriptedUpstream
) -> None:
    tls_upstream.play(Script(PATH, (b"{}",), status=407))
    for url in (None, plain_proxy.url()):
        response = await post(through(url), tls_upstream)
        assert (response.status, await body_of(response)) == (407, b"{}")


async def test_a_proxy_that_is_down_is_a_502(
    through: Through, start_proxy: StartProxy, either: ScriptedUpstream
) -> None:
    proxy = start_proxy()
    proxy.stop()
    with pytest.raises(UpstreamUnreachable) as caught:
        await post(through(proxy.url(LOGIN)), either)
    assert (caught.value.status, caught.value.code) == (502, "upstream_unreachable")
    assert "outbound proxy" in caught.value.message
    assert str(proxy.port) not in caught.value.message
    assert not any(secret in str(caught.value.internal) for secret in SECRETS)


async def test_an_upstream_that_a_proxy_does_not_reach_is_a_502(
    through: Through, plain_proxy: OutboundProxy
) -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        await through(plain_proxy.url()).open("GET", "https://127.0.0.1:1/", {})
    assert "outbound proxy" in caught.value.message


async def test_a_proxy_that_goes_in_the_middle_of_a_stream_cuts_it(
    through: Through, start_proxy: StartProxy, either: ScriptedUpstream
) -> None:
    proxy = start_proxy()
    either.play(STREAM.but(steps=(b"data: 1\n\n",), end="stall"))
    response = await post(through(proxy.url()), either)
    assert await Body(response).next() == b"data: 1\n\n"
    proxy.stop()
    assert await cut_of(response) == (b"", RESET)
    await response.close()


async def test_a_tunnel_whose_other_end_is_not_the_upstream_is_a_502(
    through: Through, plain_proxy: OutboundProxy, tls_upstream: ScriptedUpstream
) -> None:
    """TLS runs from the gateway to the upstream, so a proxy that intercepts it is detected."""
    with pytest.raises(UpstreamUnreachable) as caught:
        await post(through(plain_proxy.url(), ca_file=None), tls_upstream)
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value.internal)


class Rude:
    """A proxy that answers every request with the same bytes, then stays or disconnects."""

    def __init__(self, answer: bytes, *, stays: bool = True) -> None:
        self._answer = answer
        self._stays = stays
        self.request = b""

    async def __aenter__(self) -> "Rude":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.request = await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer)
            while self._stays and await reader.read(65536):
                continue
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "https://127.0.0.1:9/"])
async def test_a_proxy_that_says_nothing_is_a_504_in_time(through: Through, url: str) -> None:
    async with Rude(b"") as proxy:
        with pytest.raises(UpstreamTimeout) as caught:
            await through(proxy.url, **IMPATIENT).open("GET", url, {})
        assert caught.value.status == 504


async def test_a_tunnel_in_which_nobody_speaks_is_a_504_in_time(through: Through) -> None:
    async with Rude(b"HTTP/1.1 200 Connection established\r\n\r\n") as proxy:
        with pytest.raises(UpstreamTimeout):
            await through(proxy.url, **IMPATIENT).open("GET", "https://127.0.0.1:9/", {})


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n10.0.", 502),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", 502),
        (b"HTTP/1.1 504 Gateway Timeout\r\n\r\n", 504),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Unavailable\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\n\r\nthis is no TLS, whatever it is\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 70_000, 502),
        (b"SSH-2.0-OpenSSH_9\r\n", 502),
        (b"HTTP/1.1 20", 502),
        (b"", 502),
    ],
)
@pytest.mark.parametrize("stays", [True, False])
async def test_whatever_a_proxy_says_to_connect_is_an_error_of_ours(
    through: Through, answer: bytes, status: int, stays: bool
) -> None:
    whole = answer.endswith(b"\r\n\r\n") or len(answer) > 100 or b"\r\n\r\n" in answer or answer[:3] == b"SSH"
    async with Rude(answer, stays=stays and whole) as proxy:
        with pytest.raises(UpstreamError) as caught:
            await through(proxy.url).open("GET", "https://user:pw@upstream.example:9443/v1/x", {})
    assert caught.value.status == status
    assert not any(result in caught.value.message for result in ("upstream.example", "127.0.0.1", "10.0."))
    assert proxy.request.startswith(
        b"CONNECT upstream.example:9443 HTTP/1.1\r\nHost: upstream.example:9443\r\n"
    )
    assert b"pw" not in proxy.request


async def test_who_stops_waiting_for_a_tunnel_leaves_nothing_open(through: Through) -> None:
    async with Rude(b"") as proxy:
        asking = asyncio.ensure_future(through(proxy.url).open("GET", "https://127.0.0.1:9/", {}))
        await until(lambda: proxy.request)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


def test_a_tunnel_is_asked_for_an_address_as_urls_write_it() -> None:
    from chat2response.net.endpoint import Endpoint
    from chat2response.net.tunnel import Tunnel

    async def ask() -> str:
        return Tunnel(Endpoint.of("https://[::1]/x", Proxies()), Proxy("h", 1), "agent")._request

    assert asyncio.run(ask()).startswith("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n")


@pytest.mark.parametrize("either", ["http", "https"], indirect=True)
async def test_answers_that_come_at_once_through_the_shared_buffer_keep_apart(
    through: Through, either: ScriptedUpstream
) -> None:
    """Each is larger than the buffer, and their reads alternate."""
    marks = (b"a", b"b", b"c")
    either.play(*(Script(PATH, (mark * 100_000,) * 5, framing="chunked") for mark in marks))
    transport = through(None)
    exchanges = [await post(transport, either) for _ in marks]
    bodies = await asyncio.gather(*map(body_of, exchanges))
    assert bodies == [mark * 500_000 for mark in marks]
