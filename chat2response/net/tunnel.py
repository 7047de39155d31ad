"""`Tunnel`: asks a proxy to open a tunnel to an endpoint (CONNECT)."""

import asyncio
from typing import cast

import httptools

from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from chat2response.net.endpoint import Endpoint
from chat2response.net.proxies import Proxy

_MAX_RESPONSE = 64 * 1024  # bytes


class Tunnel(asyncio.Protocol):
    """Sends CONNECT as soon as it is connected; `open()` returns the transport when the tunnel is open."""

    def __init__(self, endpoint: Endpoint, proxy: Proxy, user_agent: str) -> None:
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        peer = f"{host}:{endpoint.port}"
        login = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization is not None else ""
        self._request = f"CONNECT {peer} HTTP/1.1\r\nHost: {peer}\r\nUser-Agent: {user_agent}\r\n{login}\r\n"
        self._parser = httptools.HttpResponseParser(self)
        self._size = 0
        self._stray = False  # bytes after the proxy's response, before we have sent anything
        self._transport: asyncio.Transport | None = None
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def open(self) -> asyncio.Transport:
        """Returns the transport, now connected to the endpoint. Raises UpstreamError, ConnectionError."""
        status = await self._status
        if not 200 <= status < 300:
            raise refusal(status)
        assert self._transport is not None
        if self._stray:
            raise UpstreamUnreachable("The outbound proxy sent data of its own inside the tunnel.")
        return self._transport

    def abort(self) -> None:
        """Closes the connection at once."""
        if not self._status.cancel() and not self._status.cancelled():
            self._status.exception()  # marks it as retrieved, else asyncio logs a warning
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request.encode("latin-1"))

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(
                UpstreamUnreachable("The outbound proxy's response is not HTTP.", internal=repr(error))
            )
        if self._size > _MAX_RESPONSE:
            self._fail(UpstreamUnreachable("The outbound proxy's response is too large."))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionResetError("closed by the proxy"))

    # -- httptools -----------------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        """Takes the status. A head with status 1xx is followed by another one."""
        status = self._parser.get_status_code()
        if status >= 200 and not self._status.done():
            self._status.set_result(status)

    def on_body(self, data: bytes) -> None:
        """Notes bytes after the head."""
        self._stray = True

    # -- inside --------------------------------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        if not self._status.done():
            self._status.set_exception(error)


def refusal(status: int) -> UpstreamError:
    """The error for a proxy's own response."""
    internal = f"the proxy answered with status {status}"
    if status == 407:
        return UpstreamUnreachable(
            "The outbound proxy rejected the gateway's login. Check user and password in the proxy's URL.",
            code="proxy_authentication_required",
            internal=internal,
        )
    if status == 504:
        return UpstreamTimeout(
            "The outbound proxy got no response from the upstream in time.", internal=internal
        )
    return UpstreamUnreachable("The outbound proxy refused to reach the upstream.", internal=internal)
