"""The HTTP transport: opens a POST or GET as an `HttpResponse`, over pooled connections.

Why not a library: under load aiohttp took a third of a bridged request's CPU, and httpx ten times all the
rest. The hard parts are still a library's: httptools parses, asyncio resolves, connects and encrypts.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from chat2response.errors import UpstreamTimeout, UpstreamUnreachable
from chat2response.net.connection import Connection
from chat2response.net.connector import Connector
from chat2response.net.endpoint import Endpoint
from chat2response.net.http_response import HttpResponse
from chat2response.net.proxies import Proxies
from chat2response.net.received_bytes import SLICE
from chat2response.net.receiver import Receiver, StreamInterrupted
from chat2response.net.tunnel import refusal
from chat2response.net.whole_body import cut_error

__all__ = [
    "SLICE",
    "HttpResponse",
    "HttpTransport",
    "Receiver",
    "StreamInterrupted",
    "Transport",
    "TransportOptions",
    "cut_error",
]

_IDLE_SECONDS = 15.0  # most servers keep an unused connection open for longer
_MAX_IDLE = 512  # idle connections per upstream


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """Timeouts, proxies and trusted certificates of outbound requests."""

    connect_timeout: float = 10.0
    """Seconds to connect, including proxies and their tunnels."""
    read_timeout: float = 60.0
    """Seconds of silence, before the head and between reads."""
    user_agent: str = "chat2response"
    proxies: Proxies = field(default_factory=Proxies)
    ca_file: Path | None = None
    """CA certificates to trust in addition to the system's."""


class HttpTransport(Protocol):
    """What upstreams need of a transport: the seam behind which the demo answers without a network."""

    async def open(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
        *,
        stall: float = 0.0,
    ) -> HttpResponse:
        """Sends the request and returns the response once its head has arrived."""
        ...

    async def close(self) -> None:
        """Closes what is idle."""
        ...


class Transport:
    """Sends requests and pools connections. One per process; close it at the end."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._endpoints: dict[str, Endpoint] = {}
        self._free: dict[tuple[Any, ...], list[Connection]] = {}
        self._connector = Connector(options.user_agent, options.ca_file)
        self._closed = False
        self._common = f"User-Agent: {options.user_agent}\r\nAccept-Encoding: identity\r\n"

    async def open(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
        *,
        stall: float = 0.0,
    ) -> HttpResponse:
        """Sends the request and waits for the head. `stall`: seconds between reads, if more than usual.

        Raises UpstreamUnreachable (no connection, an unreadable head, a login that the proxy rejects) and
        UpstreamTimeout. Redirects are not followed. Cancelling closes the connection.

        If the upstream closes an idle connection while the request is on its way, the request is sent once
        more, on a new connection.
        """
        endpoint = self._endpoints.get(url) or self._endpoint(url)
        head = self._head(method, endpoint, headers, body)
        idle = self._idle_connection(endpoint)
        while True:
            connection = idle or await self._connect(endpoint)
            response = connection.send(head, body or b"", stall)
            try:
                await response.head()
                if response.status == 407 and endpoint.proxy is not None and not endpoint.secure:
                    raise refusal(response.status)
                return response
            except BaseException as error:
                connection.abort()
                if idle is None or not idle.lost_race or not isinstance(error, UpstreamUnreachable):
                    raise
                idle = None

    async def close(self) -> None:
        """Closes the idle connections; the others close when their response ends."""
        self._closed = True
        for connections in self._free.values():
            for connection in connections:
                connection.abort()
        self._free.clear()
        await asyncio.sleep(0)  # lets the loop call `connection_lost`

    # -- connections ---------------------------------------------------------------------------------

    def _idle_connection(self, endpoint: Endpoint) -> Connection | None:
        free = self._free.get(endpoint.key)
        while free:
            connection = free.pop()  # the most recently used one: the others may time out
            if connection.usable:
                return connection
        return None

    async def _connect(self, endpoint: Endpoint) -> Connection:
        free = self._free.setdefault(endpoint.key, [])

        def release(connection: Connection) -> None:
            if len(free) < _MAX_IDLE and not self._closed:
                free.append(connection)
            else:
                connection.abort()

        options = self._options
        try:
            async with asyncio.timeout(options.connect_timeout):
                return await self._connector.connect(
                    lambda: Connection(options.read_timeout, _IDLE_SECONDS, release), endpoint
                )
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"The gateway could not connect to the upstream within {options.connect_timeout:g} seconds.",
                internal=f"{endpoint.authority}: {error!r}",
            ) from None

    # -- requests ------------------------------------------------------------------------------------

    def _endpoint(self, url: str) -> Endpoint:
        """Parses `url` and caches the result: upstream URLs are few, and parsing one is expensive."""
        endpoint = Endpoint.of(url, self._options.proxies)
        if len(self._endpoints) < 256:
            self._endpoints[url] = endpoint
        return endpoint

    def _head(self, method: str, endpoint: Endpoint, headers: dict[str, str], body: bytes | None) -> bytes:
        own = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if not own.count("\r") == own.count("\n") == len(headers):
            broken = [name for name, value in headers.items() if "\r" in value or "\n" in value]
            raise UpstreamUnreachable(
                "A header for the upstream contains a line break.", internal=", ".join(broken)
            )
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        try:
            return f"{method} {endpoint.line}{self._common}{own}{length}\r\n".encode("latin-1")
        except UnicodeEncodeError as error:
            raise UpstreamUnreachable(
                "A header for the upstream contains a character that HTTP headers cannot carry.",
                internal=error.reason,
            ) from None
