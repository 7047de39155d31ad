"""`Tunnel`: the word with a proxy before a connection through it begins (CONNECT)."""

import asyncio
from typing import cast

import httptools

from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from chat2response.net.endpoint import Place
from chat2response.net.proxies import Proxy

_MAX_ANSWER = 64 * 1024  # bytes


class Tunnel(asyncio.Protocol):
    """Asks as soon as it is connected; `open()` gives the transport when the proxy has made the tunnel."""

    def __init__(self, place: Place, proxy: Proxy, user_agent: str) -> None:
        host = f"[{place.host}]" if ":" in place.host else place.host
        there = f"{host}:{place.port}"
        login = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization is not None else ""
        self._ask = f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\nUser-Agent: {user_agent}\r\n{login}\r\n"
        self._parser = httptools.HttpResponseParser(self)
        self._size = 0
        self._stray = False  # bytes behind the answer, where nobody has spoken yet
        self._transport: asyncio.Transport | None = None
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def open(self) -> asyncio.Transport:
        """The transport, whose other end is now the place. Raises UpstreamError, ConnectionError."""
        status = await self._status
        if not 200 <= status < 300:
            raise refusal(status)
        assert self._transport is not None
        if self._stray:
            raise UpstreamUnreachable("The outbound proxy speaks inside the tunnel that it made.")
        return self._transport

    def abort(self) -> None:
        """Closes it at once."""
        if not self._status.cancel() and not self._status.cancelled():
            self._status.exception()  # looked at, so that asyncio does not complain that nobody did
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._ask.encode("latin-1"))

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(UpstreamUnreachable("The outbound proxy's answer is not HTTP.", internal=repr(error)))
        if self._size > _MAX_ANSWER:
            self._fail(UpstreamUnreachable("The outbound proxy's answer is too large."))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionResetError("closed by the proxy"))

    # -- httptools -----------------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        """The answer; one with status 1xx only announces another."""
        status = self._parser.get_status_code()
        if status >= 200 and not self._status.done():
            self._status.set_result(status)

    def on_body(self, data: bytes) -> None:
        """What follows the answer."""
        self._stray = True

    # -- inside --------------------------------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        if not self._status.done():
            self._status.set_exception(error)


def refusal(status: int) -> UpstreamError:
    """The error that a proxy's own answer is."""
    internal = f"the proxy answered with status {status}"
    if status == 407:
        return UpstreamUnreachable(
            "The outbound proxy refused the gateway's login; the operator has to mend this.",
            code="proxy_authentication_required",
            internal=internal,
        )
    if status == 504:
        return UpstreamTimeout(
            "The outbound proxy got no answer from the upstream in time.", internal=internal
        )
    return UpstreamUnreachable("The outbound proxy refused to reach the upstream.", internal=internal)
